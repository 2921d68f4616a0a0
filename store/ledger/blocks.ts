import { buildBlockHeader, HASH_BYTES, type JournalRange, type SessionLeaves, sha256 } from "@heauth/core/ledger";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";

/** Tenants that are left out, by id. */
interface Except {
  readonly except?: readonly string[];
}

/** A session of a tenant. */
export interface SessionName {
  readonly tenantId: string;
  readonly sessionId: string;
}

/** An amendment names at most so many journals, so that its record stays short; the rest get another. */
const MOST_AMENDED_JOURNALS = 64;

const AS_NAME = `tenant_id AS "tenantId", session_id AS "sessionId"`;

/**
 * Closed sessions whose block can be closed too: every sidecar journal of the tenant, but those that were found lost, has committed
 * what it recorded before it saw the end, or the grace is over.
 */
export function blocksToClose(
  tx: Tx,
  { graceMs, limit, except = [] }: { readonly graceMs: number; readonly limit: number } & Except,
): Promise<SessionName[]> {
  return tx.query<SessionName>(
    `WITH closing AS (
       SELECT block.tenant_id, block.session_id, session.closed_at, session.close_seq, block.closing_at
         FROM active_block AS block
         JOIN session ON session.tenant_id = block.tenant_id AND session.id = block.session_id
        WHERE block.closing_at IS NOT NULL AND session.closed_at IS NOT NULL AND block.tenant_id <> ALL ($3::uuid[])
        ORDER BY block.closing_at LIMIT $2
     ), seen AS (
       SELECT journal.tenant_id, min(head.outbox_seq) AS outbox_seq
         FROM journal_head AS head JOIN journal ON journal.tenant_id = head.tenant_id AND journal.id = head.journal_id
        WHERE head.tenant_id IN (SELECT tenant_id FROM closing) AND NOT head.final AND head.lost_at IS NULL
          AND journal.program = 'sidecar'
        GROUP BY journal.tenant_id
     )
     SELECT closing.tenant_id AS "tenantId", closing.session_id AS "sessionId"
       FROM closing LEFT JOIN seen ON seen.tenant_id = closing.tenant_id
      WHERE seen.outbox_seq IS NULL OR seen.outbox_seq >= closing.close_seq
         OR closing.closed_at <= now() - $1 * interval '1 ms'
      ORDER BY closing.closing_at`,
    [graceMs, limit, except],
  );
}

/**
 * Makes a closed session's block: its header goes over all the session's records that are here, which it does not copy. Waits
 * for segments that are just coming in with more of them.
 * @returns the block's number; undefined when somebody else has closed it
 */
export async function closeBlock(tx: Tx, { tenantId, sessionId }: SessionName): Promise<number | undefined> {
  const [active] = await tx.query<{ actions: number }>(
    "SELECT actions FROM active_block WHERE tenant_id = $1 AND session_id = $2 FOR UPDATE",
    [tenantId, sessionId],
  );
  const [session] = await tx.query<{ opened_at: number; closed_at: number | null; close_reason: string }>(
    "SELECT opened_at, closed_at, close_reason FROM session WHERE tenant_id = $1 AND id = $2",
    [tenantId, sessionId],
  );
  if (active === undefined || session === undefined || session.closed_at === null) return undefined;
  const [last] = await tx.query<{ number: number; header: Buffer }>(
    "SELECT number, header FROM closed_block WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1",
    [tenantId],
  );
  const number = last === undefined ? 0 : last.number + 1;
  const { opened_at: opened, closed_at: closed, close_reason: reason } = session;
  const header = buildBlockHeader({
    tenant: tenantId,
    number,
    session: sessionId,
    opened,
    closed,
    reason,
    journals: await sessionLeaves(tx, tenantId, sessionId),
    ...(last && { previous: sha256(last.header) }),
  });
  await tx.query(
    `INSERT INTO closed_block (tenant_id, number, session_id, header, opened_at, closed_at, reason, actions)
     VALUES ($1, $2, $3, $4, heauth.at($5), heauth.at($6), $7, $8)`,
    [tenantId, number, sessionId, header, opened, closed, reason, active.actions],
  );
  await tx.query("INSERT INTO seal_queue (tenant_id, kind, number) VALUES ($1, 'block', $2)", [tenantId, number]);
  await tx.query("DELETE FROM active_block WHERE tenant_id = $1 AND session_id = $2", [tenantId, sessionId]);
  return number;
}

async function sessionLeaves(tx: Tx, tenantId: string, sessionId: string): Promise<SessionLeaves[]> {
  const rows = await tx.query<{ journal_id: string; number: number; leaves: Buffer }>(
    `SELECT journal_id, number, leaves FROM segment_session WHERE tenant_id = $1 AND session_id = $2
      ORDER BY journal_id, number`,
    [tenantId, sessionId],
  );
  const journals = new Map<string, { first: number; last: number; leaves: Buffer[] }>();
  for (const { journal_id, number, leaves } of rows) {
    const journal = journals.get(journal_id) ?? { first: number, last: number, leaves: [] };
    journals.set(journal_id, journal);
    journal.last = number;
    for (let at = 0; at < leaves.length; at += HASH_BYTES) journal.leaves.push(leaves.subarray(at, at + HASH_BYTES));
  }
  return [...journals].map(([journal, range]) => ({ journal, ...range }));
}

/** Sessions with records that came in after their block was closed, the oldest at least `waitMs` ago. */
export function blocksToAmend(
  tx: Tx,
  { waitMs, limit, except = [] }: { readonly waitMs: number; readonly limit: number } & Except,
): Promise<SessionName[]> {
  return tx.query<SessionName>(
    `SELECT ${AS_NAME} FROM late_record WHERE tenant_id <> ALL ($3::uuid[]) GROUP BY tenant_id, session_id
     HAVING min(created_at) <= now() - $1 * interval '1 ms' ORDER BY min(created_at) LIMIT $2`,
    [waitMs, limit, except],
  );
}

/** Tells of late records in the ledger: a `session.amend` that names the block and where they are. The block stays as it is. */
export async function amendBlock(tx: Tx, recorder: Recorder, { tenantId, sessionId }: SessionName): Promise<void> {
  const [block] = await tx.query<{ number: number }>(
    "SELECT number FROM closed_block WHERE tenant_id = $1 AND session_id = $2",
    [tenantId, sessionId],
  );
  if (block === undefined) return;
  // Taken out first: somebody else who amends the same waits here, and then finds nothing to tell of.
  const rows = await tx.query<{ journal_id: string; number: number; count: number }>(
    `DELETE FROM late_record USING
       (SELECT DISTINCT journal_id FROM late_record WHERE tenant_id = $1 AND session_id = $2
         ORDER BY journal_id LIMIT ${MOST_AMENDED_JOURNALS}) AS told
      WHERE tenant_id = $1 AND session_id = $2 AND late_record.journal_id = told.journal_id
     RETURNING late_record.journal_id, number, count`,
    [tenantId, sessionId],
  );
  const ranges = new Map<string, { first: number; last: number; count: number }>();
  for (const { journal_id, number, count } of rows) {
    const range = ranges.get(journal_id) ?? { first: number, last: number, count: 0 };
    const [first, last] = [Math.min(range.first, number), Math.max(range.last, number)];
    ranges.set(journal_id, { first, last, count: range.count + count });
  }
  if (ranges.size === 0) return;
  const journals: JournalRange[] = [...ranges].map(([journal, range]) => ({ journal, ...range }));
  await recorder.append(tx, tenantId, [
    { type: "session.amend", session: sessionId, block: { number: block.number, journals } },
  ]);
}
