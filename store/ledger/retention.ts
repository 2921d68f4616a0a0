import type { SegmentRange } from "@heauth/core/ledger";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";
import type { NamedTenant } from "./seal-queue.ts";
import type { RecordDraft } from "./writer.ts";

/** A record names at most so many sessions, so that it stays short. */
const MOST_SESSIONS = 200;
const MOST_SEGMENTS = 64;
const MOST_ROWS = 1_000;
const NIL = "00000000-0000-0000-0000-000000000000";

/** What one transaction erased: `rows` had private parts; `more`: there may be more at once. */
export interface Dropped {
  readonly rows: number;
  readonly more: boolean;
}

/** Tenants that say for how many days private parts are kept. */
export function tenantsWithRetention(tx: Tx): Promise<NamedTenant[]> {
  return tx.query<NamedTenant>(
    "SELECT id, name FROM tenant WHERE settings -> 'audit' ->> 'retentionDays' IS NOT NULL ORDER BY id",
  );
}

/**
 * Erases the private parts of the tenant's next old segments, in the order in which they came in, and records which. Those of
 * sessions that are open are spared, and go when the session is closed and old (`dropPrivatePartsOfSpared`). Ends before a segment
 * that is not sealed. Two who do so at once wait for each other.
 */
export async function dropOldPrivateParts(tx: Tx, recorder: Recorder, tenantId: string): Promise<Dropped> {
  const due = await dueSegments(tx, tenantId);
  const unsealed = due.findIndex(({ sealed }) => !sealed);
  const segments = unsealed < 0 ? due : due.slice(0, unsealed);
  const last = segments.at(-1);
  if (last === undefined) return { rows: 0, more: false };
  const names = [segments.map(({ journal }) => journal), segments.map(({ number }) => number)];
  const spared = await tx.query<{ session: string }>(
    `INSERT INTO retention_spared (tenant_id, session_id)
     SELECT DISTINCT part.tenant_id, part.session_id
       FROM unnest($2::uuid[], $3::bigint[]) AS name (journal_id, number)
       JOIN segment_session AS part ON part.tenant_id = $1 AND part.journal_id = name.journal_id AND part.number = name.number
       JOIN active_block AS block ON block.tenant_id = $1 AND block.session_id = part.session_id
      WHERE part.privates IS NOT NULL
     ON CONFLICT DO NOTHING RETURNING session_id AS session`,
    [tenantId, ...names],
  );
  const rows = await count(tx, "SELECT heauth.drop_private_parts($1, $2::uuid[], $3::bigint[]) AS rows", [
    tenantId,
    ...names,
  ]);
  if (rows > 0 || spared.length > 0) {
    const except = spared.map(({ session }) => session);
    await recorder.append(tx, tenantId, tellOf(rangesOf(segments), except));
  }
  await tx.query(
    "UPDATE retention_mark SET created_at = heauth.at($2), journal_id = $3, number = $4 WHERE tenant_id = $1",
    [tenantId, last.at, last.journal, last.number],
  );
  return { rows, more: segments.length === MOST_SEGMENTS };
}

interface DueSegment {
  readonly journal: string;
  readonly number: number;
  readonly at: number;
  readonly sealed: boolean;
}

async function dueSegments(tx: Tx, tenantId: string): Promise<DueSegment[]> {
  await tx.query(
    `INSERT INTO retention_mark (tenant_id, created_at, journal_id, number) VALUES ($1, 'epoch', '${NIL}', 0)
     ON CONFLICT DO NOTHING`,
    [tenantId],
  );
  const [mark] = await tx.query<{ at: number; journal: string; number: number }>(
    "SELECT created_at AS at, journal_id AS journal, number FROM retention_mark WHERE tenant_id = $1 FOR UPDATE",
    [tenantId],
  );
  return tx.query<DueSegment>(
    `SELECT due.journal_id AS journal, due.number, due.created_at AS at, entry.index IS NOT NULL AS sealed
       FROM (SELECT journal_id, number, created_at FROM segment
              WHERE tenant_id = $1 AND (created_at, journal_id, number) > (heauth.at($2), $3::uuid, $4::bigint)
                AND created_at < (SELECT heauth.retention_limit($1))
              ORDER BY created_at, journal_id, number LIMIT ${MOST_SEGMENTS}) AS due
       LEFT JOIN log_entry AS entry ON entry.tenant_id = $1 AND entry.kind = 'segment'
                                   AND entry.journal_id = due.journal_id AND entry.number = due.number
      ORDER BY due.created_at, due.journal_id, due.number`,
    [tenantId, mark?.at ?? 0, mark?.journal ?? NIL, mark?.number ?? 0],
  );
}

/** Consecutive segments of a journal become one range. */
function rangesOf(segments: readonly DueSegment[]): SegmentRange[] {
  const ranges: { journal: string; first: number; last: number }[] = [];
  const ordered = segments.toSorted((a, b) =>
    a.journal === b.journal ? a.number - b.number : a.journal < b.journal ? -1 : 1,
  );
  for (const { journal, number } of ordered) {
    const before = ranges.at(-1);
    if (before?.journal === journal && before.last === number - 1) before.last = number;
    else ranges.push({ journal, first: number, last: number });
  }
  return ranges;
}

/** Who is spared is said of all of his records: it may take several records to name them all. */
function tellOf(segments: readonly SegmentRange[], except: readonly string[]): RecordDraft[] {
  const told: RecordDraft[] = [];
  let rest = except;
  for (; rest.length > MOST_SESSIONS; rest = rest.slice(MOST_SESSIONS)) {
    told.push({ type: "retention.dropped", erased: { except: rest.slice(0, MOST_SESSIONS) } });
  }
  const erased = rest.length === 0 ? { segments } : { segments, except: rest };
  return [...told, { type: "retention.dropped", erased }];
}

/** Erases the private parts of sessions that were spared and are closed and old by now, and records whose. */
export async function dropPrivatePartsOfSpared(tx: Tx, recorder: Recorder, tenantId: string): Promise<Dropped> {
  // Taken out first: somebody else who does the same waits here, and then finds nothing to tell of.
  const old = await tx.query<{ session: string }>(
    `DELETE FROM retention_spared WHERE tenant_id = $1 AND session_id = ANY (ARRAY(
     SELECT spared.session_id
       FROM retention_spared AS spared
       JOIN session ON session.tenant_id = $1 AND session.id = spared.session_id
       JOIN closed_block AS block ON block.tenant_id = $1 AND block.session_id = spared.session_id
      WHERE spared.tenant_id = $1 AND session.closed_at < heauth.retention_limit($1)
        AND NOT EXISTS (SELECT FROM segment_session AS part
                          JOIN segment ON segment.tenant_id = $1 AND segment.journal_id = part.journal_id
                                      AND segment.number = part.number
                         WHERE part.tenant_id = $1 AND part.session_id = spared.session_id AND part.privates IS NOT NULL
                           AND segment.created_at >= heauth.retention_limit($1))
      ORDER BY spared.session_id LIMIT ${MOST_SESSIONS})) RETURNING session_id AS session`,
    [tenantId],
  );
  if (old.length === 0) return { rows: 0, more: false };
  const sessions = old.map(({ session }) => session);
  const rows = await count(tx, "SELECT heauth.drop_private_parts_of($1, $2::uuid[]) AS rows", [tenantId, sessions]);
  await recorder.append(tx, tenantId, [{ type: "retention.dropped", erased: { sessions } }]);
  return { rows, more: old.length === MOST_SESSIONS };
}

/**
 * Forgets what else is known of persons and is as old: where from and with what closed sessions were used, and what alerts say of the
 * request. The ledger does not speak of these rows.
 */
export async function forgetOldTraces(tx: Tx, tenantId: string): Promise<Dropped> {
  const devices = await count(tx, "SELECT heauth.forget_devices($1, $2) AS rows", [tenantId, MOST_ROWS]);
  const alerts = await tx.query(
    `UPDATE alert SET details = details - '{method,path,peer}'::text[]
      WHERE tenant_id = $1 AND id = ANY (ARRAY(
        SELECT id FROM alert WHERE tenant_id = $1 AND last_at < heauth.retention_limit($1)
           AND details ?| '{method,path,peer}'::text[] ORDER BY last_at LIMIT ${MOST_ROWS})) RETURNING id`,
    [tenantId],
  );
  return { rows: devices + alerts.length, more: devices === MOST_ROWS || alerts.length === MOST_ROWS };
}

async function count(tx: Tx, sql: string, params: readonly unknown[]): Promise<number> {
  const [row] = await tx.query<{ rows: number }>(sql, params);
  return row?.rows ?? 0;
}
