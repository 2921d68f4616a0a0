import { type LedgerRecord, parsePrivatePart, type StoredPrivatePart } from "@heauth/core/ledger";
import { type Alerting, isReasonName, reasons } from "@heauth/core/policy";
import type { Tx } from "../transaction.ts";
import { gapOccurrences } from "./gap-occurrences.ts";
import { peerPrefix } from "./peer-prefix.ts";
import { grouped, type Occurrence, raiseAlerts } from "./raise.ts";

/** So many within a minute, from one peer's network, are a run. */
export const RUN_LENGTH = 20;

/** A record as it was taken in; `salted`: its private part, if it has one. */
export interface TakenRecord {
  readonly record: LedgerRecord;
  readonly salted: Uint8Array | undefined;
}

/**
 * Raises the alerts that these records give rise to. Alerts derive from records and from nothing else, so they survive
 * whatever the records survive. The list of reasons says which alert, and which only in runs; a `gap` always does.
 */
export async function raiseFromRecords(tx: Tx, tenantId: string, records: readonly TakenRecord[]): Promise<void> {
  const found = records.filter(({ record }) => alerting(record) !== "Never");
  const each = found.filter(({ record }) => alerting(record) === "Each").map(occurrence);
  const run = found.filter(({ record }) => alerting(record) === "Runs").map(occurrence);
  const weights = await countRuns(tx, tenantId, run);
  const gaps = await gapOccurrences(
    tx,
    tenantId,
    records.map(({ record }) => record),
  );
  await raiseAlerts(tx, tenantId, [...each, ...run.filter(({ dedupKey }) => weights.has(dedupKey)), ...gaps], weights);
}

function alerting({ type, reason }: LedgerRecord): Alerting {
  if (type !== "decision" && type !== "session.close") return "Never";
  return reason !== undefined && isReasonName(reason) ? reasons[reason].alert : "Never";
}

function occurrence({ record, salted }: TakenRecord): Occurrence {
  const part: StoredPrivatePart = salted === undefined ? {} : parsePrivatePart(salted);
  const { reason = "", session, rule, action, pod } = record;
  return {
    reason,
    dedupKey: JSON.stringify([reason, session ?? peerPrefix(part.peer ?? ""), rule ?? ""]),
    at: record.at,
    ...(session !== undefined && { sessionId: session }),
    recordId: record.id,
    details: {
      ...(action !== undefined && { action }),
      ...(rule !== undefined && { rule }),
      ...(pod !== undefined && { pod }),
      ...(part.method !== undefined && { method: part.method }),
      ...(part.path !== undefined && { path: part.path }),
      ...(part.peer !== undefined && { peer: part.peer }),
    },
  };
}

/** For every key that has come to a run: how many occurrences are to be counted, at first all of the run's. */
async function countRuns(
  tx: Tx,
  tenantId: string,
  occurrences: readonly Occurrence[],
): Promise<ReadonlyMap<string, number>> {
  if (occurrences.length === 0) return new Map();
  const groups = grouped(occurrences);
  const runs = await tx.query<{ dedup_key: string; count: number }>(
    `INSERT INTO alert_run AS run (tenant_id, dedup_key, since, count)
     SELECT $1, news.dedup_key, least(heauth.at(news.since), now()), news.count
       FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS news (dedup_key, since, count)
     ON CONFLICT (tenant_id, dedup_key) DO UPDATE
        SET since = CASE WHEN excluded.since >= run.since + interval '1 minute' THEN excluded.since ELSE run.since END,
            count = excluded.count +
                    CASE WHEN excluded.since >= run.since + interval '1 minute' THEN 0 ELSE run.count END
     RETURNING dedup_key, count`,
    [
      tenantId,
      groups.map(([key]) => key),
      groups.map(([, { first }]) => first.at),
      groups.map(([, { count }]) => count),
    ],
  );
  const totals = new Map(runs.map(({ dedup_key, count }) => [dedup_key, count]));
  return new Map(
    groups.flatMap(([key, { count }]) => {
      const total = totals.get(key) ?? count;
      if (total < RUN_LENGTH) return [];
      return [[key, total - count < RUN_LENGTH ? total : count]];
    }),
  );
}
