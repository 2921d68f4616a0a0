import type { LedgerRecord } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { LedgerStoreError } from "./errors.ts";
import type { OpenedSegment } from "./open-segment.ts";

/** What some segments tell of one session. Times µs. */
type Activity = {
  opened?: number;
  closed?: number;
  /** decisions, denied ones too, and the app's own actions */
  actions: number;
  last?: { at: number; action: string };
  /** newest request that was allowed: only those keep a session from idling */
  used?: number;
  /** how many of its records each segment has, those of an amendment left out */
  records: { journal: string; number: number; count: number }[];
};

/**
 * Lets active blocks and sessions know what the segments' records tell of them. Records of a session whose block is closed are
 * noted as late. Locks blocks in the order of their sessions.
 * @throws LedgerStoreError SegmentRefused for records of a session that was never opened, or a second opening
 */
export async function noteActivity(tx: Tx, tenantId: string, segments: readonly OpenedSegment[]): Promise<void> {
  const activities = gather(segments);
  if (activities.size === 0) return;
  await openBlocks(tx, tenantId, activities);
  const active = await lockBlocks(tx, tenantId, [...activities.keys()]);
  await updateBlocks(
    tx,
    tenantId,
    [...activities].filter(([session]) => active.has(session)),
  );
  await noteLate(
    tx,
    tenantId,
    [...activities].filter(([session]) => !active.has(session)),
  );
  await touchSessions(tx, tenantId, [...activities]);
}

function gather(segments: readonly OpenedSegment[]): Map<string, Activity> {
  const activities = new Map<string, Activity>();
  for (const { header, records } of segments) {
    for (const { record } of records) {
      if (record.session === undefined) continue;
      const activity = activities.get(record.session) ?? { actions: 0, records: [] };
      activities.set(record.session, activity);
      note(activity, record);
      // Amendments tell of late records; they are none themselves.
      if (record.type === "session.amend") continue;
      const place = activity.records.at(-1);
      if (place?.journal === header.journal && place.number === header.number) place.count++;
      else activity.records.push({ journal: header.journal, number: header.number, count: 1 });
    }
  }
  return activities;
}

function note(activity: Activity, record: LedgerRecord): void {
  if (record.type === "session.open") activity.opened = record.at;
  if (record.type === "session.close") activity.closed = record.at;
  if (record.type !== "decision" && record.type !== "action") return;
  activity.actions++;
  if (activity.last === undefined || record.at >= activity.last.at) {
    activity.last = { at: record.at, action: record.action ?? record.rule ?? record.type };
  }
  const used = record.type === "action" || record.decision === "Allow";
  if (used) activity.used = Math.max(activity.used ?? 0, record.at);
}

async function openBlocks(tx: Tx, tenantId: string, activities: ReadonlyMap<string, Activity>): Promise<void> {
  const opened = [...activities].filter(([, { opened }]) => opened !== undefined);
  if (opened.length === 0) return;
  const inserted = await tx.query(
    `INSERT INTO active_block (tenant_id, session_id, opened_at)
     SELECT $1, block.session_id, heauth.at(block.opened_at)
       FROM unnest($2::uuid[], $3::bigint[]) AS block (session_id, opened_at)
      WHERE NOT EXISTS (SELECT FROM closed_block WHERE tenant_id = $1 AND session_id = block.session_id)
     ON CONFLICT DO NOTHING RETURNING session_id`,
    [tenantId, opened.map(([session]) => session), opened.map(([, { opened }]) => opened)],
  );
  if (inserted.length !== opened.length) throw new LedgerStoreError("SegmentRefused", "a session is opened twice");
}

/** A block that is being closed is waited for, and then is not there any more. */
async function lockBlocks(tx: Tx, tenantId: string, sessions: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ session_id: string }>(
    `SELECT session_id FROM active_block WHERE tenant_id = $1 AND session_id = ANY($2::uuid[])
      ORDER BY session_id FOR NO KEY UPDATE`,
    [tenantId, sessions],
  );
  return new Set(rows.map(({ session_id }) => session_id));
}

async function updateBlocks(tx: Tx, tenantId: string, blocks: readonly [string, Activity][]): Promise<void> {
  const told = blocks.filter(([, { actions, closed }]) => actions > 0 || closed !== undefined);
  if (told.length === 0) return;
  await tx.query(
    `UPDATE active_block AS block
        SET actions = block.actions + news.actions,
            last_action = CASE WHEN heauth.at(news.last_at) >= coalesce(block.last_action_at, '-infinity')
                               THEN news.last_action ELSE block.last_action END,
            last_action_at = greatest(block.last_action_at, heauth.at(news.last_at)),
            closing_at = coalesce(block.closing_at, heauth.at(news.closed_at))
       FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])
            AS news (session_id, actions, last_at, last_action, closed_at)
      WHERE block.tenant_id = $1 AND block.session_id = news.session_id`,
    [
      tenantId,
      told.map(([session]) => session),
      told.map(([, { actions }]) => actions),
      told.map(([, { last }]) => last?.at ?? null),
      told.map(([, { last }]) => last?.action ?? null),
      told.map(([, { closed }]) => closed ?? null),
    ],
  );
}

async function noteLate(tx: Tx, tenantId: string, late: readonly [string, Activity][]): Promise<void> {
  if (late.length === 0) return;
  const closed = await tx.query<{ session_id: string }>(
    "SELECT session_id FROM closed_block WHERE tenant_id = $1 AND session_id = ANY($2::uuid[])",
    [tenantId, late.map(([session]) => session)],
  );
  if (closed.length !== late.length) {
    throw new LedgerStoreError("SegmentRefused", "it holds records of a session that was never opened");
  }
  const places = late.flatMap(([session, { records }]) => records.map((place) => ({ session, ...place })));
  await tx.query(
    `INSERT INTO late_record (tenant_id, session_id, journal_id, number, count)
     SELECT $1, late.session_id, late.journal_id, late.number, late.count
       FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::integer[]) AS late (session_id, journal_id, number, count)`,
    [
      tenantId,
      places.map(({ session }) => session),
      places.map(({ journal }) => journal),
      places.map(({ number }) => number),
      places.map(({ count }) => count),
    ],
  );
}

/**
 * A session's last use is written when it lags by `use_lag`: a minute, or a tenth of the idle timeout where that is less. A
 * session that somebody else has locked is left alone: it is being closed, or another segment is telling the same.
 */
async function touchSessions(tx: Tx, tenantId: string, sessions: readonly [string, Activity][]): Promise<void> {
  const used = sessions.filter(([, activity]) => activity.used !== undefined);
  if (used.length === 0) return;
  await tx.query(
    `WITH news AS (
       SELECT session_id, least(heauth.at(used_at), now()) AS used_at
         FROM unnest($2::uuid[], $3::bigint[]) AS news (session_id, used_at)
     ), stale AS (
       SELECT session.id, news.used_at FROM news
         JOIN session ON session.tenant_id = $1 AND session.id = news.session_id
         JOIN tenant ON tenant.id = $1
        WHERE session.closed_at IS NULL AND session.last_seen_at <= news.used_at - heauth.use_lag(tenant.settings)
          FOR NO KEY UPDATE OF session SKIP LOCKED
     )
     UPDATE session SET last_seen_at = stale.used_at FROM stale WHERE session.tenant_id = $1 AND session.id = stale.id`,
    [tenantId, used.map(([session]) => session), used.map(([, activity]) => activity.used)],
  );
}
