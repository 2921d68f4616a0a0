import { createHash } from "node:crypto";
import type { DueDelivery } from "@heauth/store";
import type { WebhookMessage } from "./webhook.ts";

/** A digest names at most so many alerts; its counts are of all. */
const MOST_NAMED = 100;

/** The message that tells of one alert: `alert.raised`, or `alert.total` at the end of its window. */
export function alertMessage(delivery: DueDelivery): WebhookMessage {
  const type = delivery.kind === "First" ? "alert.raised" : "alert.total";
  return {
    id: `msg_${delivery.alertId}_${delivery.kind.toLowerCase()}`,
    body: JSON.stringify({ type, timestamp: time(delivery.firstAt), data: alertData(delivery) }),
  };
}

/** The message that tells of everything that was over a receiver's budget. The same deliveries give the same id. */
export function digestMessage(deliveries: readonly DueDelivery[], nowMs: number): WebhookMessage {
  const ids = deliveries.map(({ alertId, kind }) => `${alertId}_${kind}`).sort();
  const alerts = new Map(deliveries.map((delivery) => [delivery.alertId, delivery]));
  const reasons: Record<string, { alerts: number; count: number }> = {};
  for (const { reason, count } of alerts.values()) {
    const sum = reasons[reason] ?? { alerts: 0, count: 0 };
    reasons[reason] = { alerts: sum.alerts + 1, count: sum.count + count };
  }
  const [first] = deliveries;
  return {
    id: `msg_digest_${createHash("sha256").update(ids.join()).digest("hex").slice(0, 32)}`,
    body: JSON.stringify({
      type: "alert.digest",
      timestamp: new Date(nowMs).toISOString(),
      data: {
        tenant: first && { id: first.tenantId, name: first.tenantName },
        alerts: alerts.size,
        reasons,
        firstAt: time(Math.min(...deliveries.map(({ firstAt }) => firstAt))),
        lastAt: time(Math.max(...deliveries.map(({ lastAt }) => lastAt))),
        ids: [...alerts.keys()].slice(0, MOST_NAMED),
      },
    }),
  };
}

function alertData(delivery: DueDelivery) {
  const { sessionId, sessionOpenedAt, userId, login, email, details } = delivery;
  return {
    alert: delivery.alertId,
    tenant: { id: delivery.tenantId, name: delivery.tenantName },
    reason: delivery.reason,
    count: delivery.count,
    firstAt: time(delivery.firstAt),
    lastAt: time(delivery.lastAt),
    user: userId === null ? undefined : { id: userId, login: login ?? undefined, email: email ?? undefined },
    session:
      sessionId === null
        ? undefined
        : { id: sessionId, openedAt: sessionOpenedAt === null ? undefined : time(sessionOpenedAt) },
    ...details,
    record: delivery.recordId ?? undefined,
  };
}

/** µs → RFC 3339. */
function time(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString();
}
