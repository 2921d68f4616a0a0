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
  const groups = grouped(occurrences).map(([key, group]) => ({ ...group, count: weights.get(key) ?? group.count }));
  const raised = await openWindows(tx, tenantId, groups, row.alerts.dedupWindowMs);
  await insertAlerts(
    tx,
    tenantId,
    raised.filter(({ fresh }) => fresh),
  );
  await countMore(
    tx,
    tenantId,
    raised.filter(({ fresh }) => !fresh),
  );
  const receivers = row.alerts.receivers.map(({ name }) => name);
  await queueDeliveries(tx, tenantId, receivers, raised.flatMap(deliveriesOf));
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

/** A group, the alert that it counts to, and when that one's window ends (µs). */
interface Raised extends Group {
  readonly alertId: string;
  readonly fresh: boolean;
  readonly until: number;
}

async function openWindows(tx: Tx, tenantId: string, groups: readonly Group[], windowMs: number): Promise<Raised[]> {
  const wanted = groups.map((group) => ({ ...group, id: uuidv7() }));
  // No window begins in the future, whatever a sidecar's clock says: it would hush what follows, or never come to an end.
  const windows = await tx.query<{ dedup_key: string; alert_id: string; until: number }>(
    `INSERT INTO alert_window AS held (tenant_id, dedup_key, alert_id, until)
     SELECT $1, wanted.dedup_key, wanted.alert_id, least(heauth.at(wanted.at), now()) + $5 * interval '1 ms'
       FROM unnest($2::text[], $3::uuid[], $4::bigint[]) AS wanted (dedup_key, alert_id, at)
     ON CONFLICT (tenant_id, dedup_key) DO UPDATE
        SET alert_id = CASE WHEN excluded.until - $5 * interval '1 ms' >= held.until THEN excluded.alert_id
                            ELSE held.alert_id END,
            until = CASE WHEN excluded.until - $5 * interval '1 ms' >= held.until THEN excluded.until ELSE held.until END
     RETURNING dedup_key, alert_id, until`,
    [
      tenantId,
      wanted.map(({ first }) => first.dedupKey),
      wanted.map(({ id }) => id),
      wanted.map(({ first }) => first.at),
      windowMs,
    ],
  );
  const byKey = new Map(windows.map((window) => [window.dedup_key, window]));
  return wanted.flatMap(({ id, ...group }) => {
    const window = byKey.get(group.first.dedupKey);
    if (window === undefined) return [];
    return { ...group, alertId: window.alert_id, fresh: window.alert_id === id, until: window.until };
  });
}

async function insertAlerts(tx: Tx, tenantId: string, raised: readonly Raised[]): Promise<void> {
  if (raised.length === 0) return;
  const of = <T>(value: (first: Occurrence) => T) => raised.map(({ first }) => value(first));
  await tx.query(
    `INSERT INTO alert (tenant_id, id, reason, dedup_key, session_id, record_id, details, first_at, last_at, count)
     SELECT $1, id, reason, dedup_key, session_id, record_id, details, heauth.at(first_at), heauth.at(last_at), count
       FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::jsonb[], $8::bigint[], $9::bigint[], $10::bigint[])
            AS news (id, reason, dedup_key, session_id, record_id, details, first_at, last_at, count)`,
    [
      tenantId,
      raised.map(({ alertId }) => alertId),
      of(({ reason }) => reason),
      of(({ dedupKey }) => dedupKey),
      of(({ sessionId }) => sessionId ?? null),
      of(({ recordId }) => recordId ?? null),
      of(({ details }) => JSON.stringify(details)),
      of(({ at }) => at),
      raised.map(({ lastAt }) => lastAt),
      raised.map(({ count }) => count),
    ],
  );
}

async function countMore(tx: Tx, tenantId: string, raised: readonly Raised[]): Promise<void> {
  if (raised.length === 0) return;
  await tx.query(
    `UPDATE alert SET count = alert.count + news.count, last_at = greatest(alert.last_at, heauth.at(news.last_at))
       FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS news (id, count, last_at)
      WHERE alert.tenant_id = $1 AND alert.id = news.id`,
    [
      tenantId,
      raised.map(({ alertId }) => alertId),
      raised.map(({ count }) => count),
      raised.map(({ lastAt }) => lastAt),
    ],
  );
}

interface Delivery {
  readonly alertId: string;
  readonly kind: "First" | "Total";
  /** µs */
  readonly at: number;
}

function deliveriesOf({ alertId, fresh, count, until }: Raised): Delivery[] {
  const total: Delivery[] = fresh && count === 1 ? [] : [{ alertId, kind: "Total", at: until }];
  return fresh ? [{ alertId, kind: "First", at: 0 }, ...total] : total;
}

async function queueDeliveries(
  tx: Tx,
  tenantId: string,
  receivers: readonly string[],
  deliveries: readonly Delivery[],
): Promise<void> {
  await tx.query(
    `INSERT INTO alert_delivery (tenant_id, alert_id, receiver, kind, next_at)
     SELECT $1, due.alert_id, receiver, due.kind, greatest(heauth.at(due.at), now())
       FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS due (alert_id, kind, at), unnest($5::text[]) AS receiver
     ON CONFLICT DO NOTHING`,
    [
      tenantId,
      deliveries.map(({ alertId }) => alertId),
      deliveries.map(({ kind }) => kind),
      deliveries.map(({ at }) => at),
      receivers,
    ],
  );
}
