import { uuidv7 } from "@heauth/program";
import type { Tx } from "../transaction.ts";

/** What is known of the attempt; personal data, like the record's private part that it comes from. */
export interface AlertDetails {
  readonly action?: string;
  readonly method?: string;
  readonly path?: string;
  readonly rule?: string;
  /** `<namespace>/<pod>` */
  readonly pod?: string;
  readonly peer?: string;
  /** Of the ledger itself: what is wrong, and where. */
  readonly finding?: string;
}

/** Something to alert of. Those with the same key within the tenant's window are one alert, with a count. */
export interface Occurrence {
  readonly reason: string;
  readonly dedupKey: string;
  /** µs */
  readonly at: number;
  readonly sessionId?: string;
  readonly recordId?: string;
  readonly details: AlertDetails;
}

/** Occurrences with the same key: the first one, and how many, and when the last. */
interface Group {
  readonly first: Occurrence;
  count: number;
  lastAt: number;
}

interface AlertSettings {
  receivers: readonly { name: string }[];
  dedupWindowMs: number;
}

/**
 * Raises alerts, and lets each of the tenant's receivers know: at once of a new one, and at the end of its window how often it came,
 * if that was more than once. Windows are locked in the order of their keys.
 * @param weights how many times each occurrence counts, by key; once where it says nothing
 */
export async function raiseAlerts(
  tx: Tx,
  tenantId: string,
  occurrences: readonly Occurrence[],
  weights: ReadonlyMap<string, number> = new Map(),
): Promise<void> {
  if (occurrences.length === 0) return;
  const [row] = await tx.query<{ alerts: AlertSettings }>(
    "SELECT settings->'alerts' AS alerts FROM tenant WHERE id = $1",
    [tenantId],
  );
  if (row === undefined) return;
  for (const [key, group] of grouped(occurrences)) {
    await raiseGroup(tx, tenantId, { ...group, count: weights.get(key) ?? group.count }, row.alerts);
  }
}

/** By key, in the order of keys. */
export function grouped(occurrences: readonly Occurrence[]): [string, Group][] {
  const groups = new Map<string, Group>();
  for (const occurrence of occurrences) {
    const group = groups.get(occurrence.dedupKey);
    if (group === undefined) {
      groups.set(occurrence.dedupKey, { first: occurrence, count: 1, lastAt: occurrence.at });
    } else {
      group.count++;
      group.lastAt = Math.max(group.lastAt, occurrence.at);
    }
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

async function raiseGroup(tx: Tx, tenantId: string, group: Group, settings: AlertSettings): Promise<void> {
  const { first, count, lastAt } = group;
  const fresh = uuidv7();
  // A window never begins in the future, whatever a sidecar's clock says: it would hush what follows.
  const [window] = await tx.query<{ alert_id: string; until: number }>(
    `INSERT INTO alert_window AS held (tenant_id, dedup_key, alert_id, until)
     VALUES ($1, $2, $3, least(heauth.at($4), now()) + $5 * interval '1 ms')
     ON CONFLICT (tenant_id, dedup_key) DO UPDATE
        SET alert_id = CASE WHEN heauth.at($4) >= held.until THEN excluded.alert_id ELSE held.alert_id END,
            until = CASE WHEN heauth.at($4) >= held.until THEN excluded.until ELSE held.until END
     RETURNING alert_id, until`,
    [tenantId, first.dedupKey, fresh, first.at, settings.dedupWindowMs],
  );
  const alertId = window?.alert_id;
  if (alertId === fresh) {
    await tx.query(
      `INSERT INTO alert (tenant_id, id, reason, dedup_key, session_id, record_id, details, first_at, last_at, count)
       VALUES ($1, $2, $3, $4, $5, $6, $7, heauth.at($8), heauth.at($9), $10)`,
      [
        tenantId,
        fresh,
        first.reason,
        first.dedupKey,
        first.sessionId,
        first.recordId,
        JSON.stringify(first.details),
        first.at,
        lastAt,
        count,
      ],
    );
  } else {
    await tx.query(
      `UPDATE alert SET count = count + $3, last_at = greatest(last_at, heauth.at($4)) WHERE tenant_id = $1 AND id = $2`,
      [tenantId, alertId, count, lastAt],
    );
  }
  const receivers = settings.receivers.map(({ name }) => name);
  if (alertId === fresh) await queueDeliveries(tx, tenantId, fresh, receivers, "First", 0);
  if (alertId !== fresh || count > 1) await queueDeliveries(tx, tenantId, alertId, receivers, "Total", window?.until);
}

async function queueDeliveries(
  tx: Tx,
  tenantId: string,
  alertId: string | undefined,
  receivers: readonly string[],
  kind: "First" | "Total",
  nextAt: number | undefined,
): Promise<void> {
  await tx.query(
    `INSERT INTO alert_delivery (tenant_id, alert_id, receiver, kind, next_at)
     SELECT $1, $2, receiver, $4, greatest(heauth.at($5), now()) FROM unnest($3::text[]) AS receiver
     ON CONFLICT DO NOTHING`,
    [tenantId, alertId, receivers, kind, nextAt],
  );
}
