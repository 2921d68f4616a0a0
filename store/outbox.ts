import { StoreError } from "./errors.ts";
import type { Tx } from "./transaction.ts";

/** The channel that is notified with the tenant's id at every commit of an event. It only hastens: readers poll anyway. */
export const OUTBOX_CHANNEL = "heauth_outbox";

export type OutboxKind = "session.closed" | "session.changed" | "policy.changed" | "tenant.changed";

/** What has changed. `generation`: the session's, after the change. */
export type OutboxDraft = { kind: OutboxKind; sessionId?: string; generation?: number };

export type OutboxEvent = OutboxDraft & { tenantId: string; seq: number };

/** A place in a tenant's outbox: events up to and including `seq` have been seen. */
export type OutboxCursor = { tenantId: string; seq: number };

/**
 * Writes events of one tenant. Their numbers are dense and in the order of commits, because the head stays locked until this
 * transaction ends: so emit last, when all other locks are held (session rows in sid order, then journals, then this).
 *
 * @returns their numbers, in the order of `events`
 * @throws StoreError `NotFound`: no such tenant
 */
export async function emitAll(tx: Tx, tenantId: string, events: readonly OutboxDraft[]): Promise<number[]> {
  if (events.length === 0) return [];
  const rows = await tx.query<{ seq: number }>(
    `WITH head AS (
       UPDATE heauth.outbox_head SET seq = seq + cardinality($2::text[])
        WHERE tenant_id = $1
       RETURNING seq - cardinality($2::text[]) AS before
     ), event AS (
       INSERT INTO heauth.outbox (tenant_id, seq, kind, session_id, generation)
       SELECT $1, head.before + e.place, e.kind, e.session_id, e.generation
         FROM head, unnest($2::text[], $3::uuid[], $4::bigint[]) WITH ORDINALITY AS e (kind, session_id, generation, place)
       RETURNING seq
     )
     SELECT seq, pg_notify('${OUTBOX_CHANNEL}', $1::text) FROM event ORDER BY seq`,
    [
      tenantId,
      events.map(({ kind }) => kind),
      events.map(({ sessionId }) => sessionId ?? null),
      events.map(({ generation }) => generation ?? null),
    ],
  );
  if (rows.length !== events.length) throw new StoreError("NotFound", "no such tenant");
  return rows.map(({ seq }) => seq);
}

/** Writes one event: see `emitAll`. */
export async function emit(tx: Tx, tenantId: string, event: OutboxDraft): Promise<number> {
  const [seq = 0] = await emitAll(tx, tenantId, [event]);
  return seq;
}

/** The number of the newest event of every tenant, or of the given ones. */
export async function outboxHeads(tx: Tx, tenantIds?: readonly string[]): Promise<OutboxCursor[]> {
  const rows = await tx.query<{ tenant_id: string; seq: number }>(
    "SELECT tenant_id, seq FROM heauth.outbox_head WHERE $1::uuid[] IS NULL OR tenant_id = ANY ($1) ORDER BY tenant_id",
    [tenantIds ?? null],
  );
  return rows.map(({ tenant_id, seq }) => ({ tenantId: tenant_id, seq }));
}

/** Events after the cursors, by tenant and in order; of tenants that have a cursor only. */
export async function readOutboxSince(
  tx: Tx,
  cursors: readonly OutboxCursor[],
  limit = 10_000,
): Promise<OutboxEvent[]> {
  const rows = await tx.query<{
    tenant_id: string;
    seq: number;
    kind: OutboxKind;
    session_id: string | null;
    generation: number | null;
  }>(
    `SELECT o.tenant_id, o.seq, o.kind, o.session_id, o.generation
       FROM unnest($1::uuid[], $2::bigint[]) AS c (tenant_id, seq)
       JOIN heauth.outbox o ON o.tenant_id = c.tenant_id AND o.seq > c.seq
      ORDER BY o.tenant_id, o.seq LIMIT $3`,
    [cursors.map(({ tenantId }) => tenantId), cursors.map(({ seq }) => seq), limit],
  );
  return rows.map(({ tenant_id, seq, kind, session_id, generation }) => ({
    tenantId: tenant_id,
    seq,
    kind,
    ...(session_id === null ? {} : { sessionId: session_id }),
    ...(generation === null ? {} : { generation }),
  }));
}
