import { type Decision, reasons } from "@heauth/core/policy";
import type { Counter, Metrics } from "@heauth/program";

/** Counts decisions; labels are prepared once, because this is the request path. */
export interface DecisionMetrics {
  count(decision: Decision, tookMs: number): void;
}

export function createDecisionMetrics(metrics: Metrics): DecisionMetrics {
  const allowed = metrics.counter("heauth_decisions_total", { decision: "Allow", reason: "None" });
  const denied = new Map<string, Counter>(
    Object.keys(reasons).map((reason) => [
      reason,
      metrics.counter("heauth_decisions_total", { decision: "Deny", reason }),
    ]),
  );
  const seconds = {
    Allow: metrics.histogram("heauth_decision_seconds", { decision: "Allow" }),
    Deny: metrics.histogram("heauth_decision_seconds", { decision: "Deny" }),
  };
  const stale = metrics.counter("heauth_stale_decisions_total", {});
  const unrecorded = metrics.counter("heauth_passthrough_total", {});

  return {
    count(decision, tookMs) {
      const { verdict, reason } = decision;
      if (verdict === "Allow") allowed.add();
      else denied.get(reason ?? "")?.add();
      seconds[verdict].record(tookMs / 1000);
      if (decision.stale) stale.add();
      if (verdict === "Allow" && !decision.record) unrecorded.add();
    },
  };
}
