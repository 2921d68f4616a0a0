import type { PrivatePart } from "@heauth/core/ledger";
import type { CloseReason } from "@heauth/core/sessions";
import type { RecordDraft } from "../ledger/writer.ts";
import { emitAll } from "../outbox.ts";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";

export type Revocation = {
  tenantId: string;
  sessionIds: readonly string[];
  reason: CloseReason;
  /** Who asked for it and from where, for the record. */
  by?: PrivatePart;
};

/**
 * Closes sessions: the one way that a session ends, whatever for. Deleting its key ends every token of it that is still to be made;
 * the row, the record and the event end those that are out. All in the caller's transaction. Sessions that are closed already, or
 * are none of the tenant's, are left alone.
 *
 * @returns the ids of those that were closed
 */
export async function revokeSessions(tx: Tx, recorder: Recorder, revocation: Revocation): Promise<string[]> {
  return closeSessions(tx, recorder, revocation.tenantId, [revocation]);
}

/**
 * As `revokeSessions`, for several reasons at once, with records that belong before the closing ones. For rules within this
 * folder: events must be the last that a transaction writes, so it closes sessions once.
 */
export async function closeSessions(
  tx: Tx,
  recorder: Recorder,
  tenantId: string,
  closings: readonly Omit<Revocation, "tenantId">[],
  before: readonly RecordDraft[] = [],
): Promise<string[]> {
  const wanted = new Map(closings.flatMap((closing) => closing.sessionIds.map((id) => [id, closing] as const)));
  const open = await lockOpen(tx, tenantId, [...wanted.keys()]);
  const at = Date.now() * 1000;
  const closed = open.flatMap(({ id, generation }) => {
    const closing = wanted.get(id);
    return closing ? [{ id, generation: generation + 1, reason: closing.reason, by: closing.by }] : [];
  });
  const ids = closed.map(({ id }) => id);
  if (ids.length > 0) {
    await tx.query("DELETE FROM heauth.session_key WHERE tenant_id = $1 AND session_id = ANY ($2::uuid[])", [
      tenantId,
      ids,
    ]);
  }
  const records: RecordDraft[] = closed.map(({ id, reason, by }) => ({
    type: "session.close",
    session: id,
    reason,
    at,
    ...(by ? { private: by } : {}),
  }));
  await recorder.append(tx, tenantId, [...before, ...records]);
  if (ids.length === 0) return [];
  const seqs = await emitAll(
    tx,
    tenantId,
    closed.map(({ id, generation }) => ({ kind: "session.closed", sessionId: id, generation })),
  );
  await tx.query(
    `UPDATE heauth.session s
        SET closed_at = heauth.at($2), close_reason = c.reason, close_seq = c.seq, generation = c.generation
       FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bigint[]) AS c (id, reason, seq, generation)
      WHERE s.tenant_id = $1 AND s.id = c.id`,
    [tenantId, at, ids, closed.map(({ reason }) => reason), seqs, closed.map(({ generation }) => generation)],
  );
  return ids;
}

async function lockOpen(
  tx: Tx,
  tenantId: string,
  sessionIds: readonly string[],
): Promise<{ id: string; generation: number }[]> {
  if (sessionIds.length === 0) return [];
  // In sid order, as everybody does: two who close the same sessions wait for each other.
  return tx.query(
    `SELECT id, generation FROM heauth.session
      WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND closed_at IS NULL ORDER BY id FOR UPDATE`,
    [tenantId, sessionIds],
  );
}
