import type { CloseReason } from "@heauth/core/sessions";
import type { Metrics } from "@heauth/program";

/** What identity counts of what it does. */
export interface Counts {
  login(outcome: "ok" | "refused" | "locked" | "limited"): void;
  opened(): void;
  closed(reason: CloseReason, count?: number): void;
  refresh(outcome: "rotated" | "repeated" | "reused" | "refused"): void;
}

export function createCounts(metrics: Metrics): Counts {
  return {
    login: (outcome) => metrics.counter("heauth_logins_total", { outcome }).add(),
    opened: () => metrics.counter("heauth_sessions_opened_total", {}).add(),
    closed: (reason, count = 1) => metrics.counter("heauth_sessions_closed_total", { reason }).add(count),
    refresh: (outcome) => metrics.counter("heauth_refreshes_total", { outcome }).add(),
  };
}
