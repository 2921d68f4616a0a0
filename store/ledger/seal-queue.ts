import type { SignedRegistration } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";

/** What waits to be appended to the log, with the row that it tells of; `row` is undefined when that is gone. */
export type QueuedItem = { readonly queueId: number } & (
  | { readonly kind: "registration"; readonly journal: string; readonly row: SignedRegistration | undefined }
  | {
      readonly kind: "segment";
      readonly journal: string;
      readonly number: number;
      readonly row: { readonly header: Buffer; readonly signature: Buffer } | undefined;
    }
  | { readonly kind: "block"; readonly number: number; readonly row: { readonly header: Buffer } | undefined }
);

/** A tenant with something to do, by name and id. */
export interface NamedTenant {
  readonly id: string;
  readonly name: string;
}

/** Tenants that have something to be sealed, and since when (µs) the first of it waits. Costs nothing for those that have not. */
export function tenantsWithQueue(tx: Tx): Promise<(NamedTenant & { readonly waitingSince: number })[]> {
  return tx.query<NamedTenant & { readonly waitingSince: number }>(
    `WITH RECURSIVE waiting AS (
       (SELECT tenant_id FROM seal_queue ORDER BY tenant_id LIMIT 1)
       UNION ALL
       SELECT (SELECT tenant_id FROM seal_queue WHERE tenant_id > waiting.tenant_id ORDER BY tenant_id LIMIT 1)
         FROM waiting WHERE waiting.tenant_id IS NOT NULL
     )
     SELECT tenant.id, tenant.name, first.created_at AS "waitingSince"
       FROM waiting JOIN tenant ON tenant.id = waiting.tenant_id,
            LATERAL (SELECT created_at FROM seal_queue WHERE tenant_id = waiting.tenant_id ORDER BY id LIMIT 1) AS first
      ORDER BY tenant.id`,
  );
}

/** Tenants that have a log. */
export function tenantsWithLog(tx: Tx): Promise<NamedTenant[]> {
  return tx.query<NamedTenant>(
    "SELECT tenant.id, tenant.name FROM log_head JOIN tenant ON tenant.id = log_head.tenant_id ORDER BY tenant.id",
  );
}

interface QueueRow {
  id: number;
  kind: QueuedItem["kind"];
  journal_id: string;
  number: number;
  registration: Buffer | null;
  possession: Buffer;
  countersignature: Buffer;
  segment_header: Buffer | null;
  signature: Buffer;
  block_header: Buffer | null;
}

/** What waits, in the order of its queueing: a registration before its segments, a session's segments before its block. */
export async function readSealQueue(tx: Tx, tenantId: string, limit: number): Promise<QueuedItem[]> {
  const rows = await tx.query<QueueRow>(
    `SELECT queue.id, queue.kind, queue.journal_id, queue.number,
            journal.registration, journal.possession, journal.countersignature,
            segment.header AS segment_header, segment.signature, block.header AS block_header
       FROM (SELECT * FROM seal_queue WHERE tenant_id = $1 ORDER BY id LIMIT $2) AS queue
       LEFT JOIN journal ON queue.kind = 'registration' AND journal.tenant_id = $1 AND journal.id = queue.journal_id
       LEFT JOIN segment ON queue.kind = 'segment' AND segment.tenant_id = $1 AND segment.journal_id = queue.journal_id
                        AND segment.number = queue.number
       LEFT JOIN closed_block AS block ON queue.kind = 'block' AND block.tenant_id = $1 AND block.number = queue.number
      ORDER BY queue.id`,
    [tenantId, limit],
  );
  return rows.map(itemOf);
}

function itemOf(row: QueueRow): QueuedItem {
  const { id: queueId, kind, journal_id: journal, number } = row;
  switch (kind) {
    case "registration": {
      const { registration: body, possession, countersignature } = row;
      return { queueId, kind, journal, row: body === null ? undefined : { body, possession, countersignature } };
    }
    case "segment": {
      const { segment_header: header, signature } = row;
      return { queueId, kind, journal, number, row: header === null ? undefined : { header, signature } };
    }
    case "block":
      return { queueId, kind, number, row: row.block_header === null ? undefined : { header: row.block_header } };
  }
}

/** Takes items out of the queue. */
export async function removeQueued(tx: Tx, tenantId: string, queueIds: readonly number[]): Promise<void> {
  await tx.query("DELETE FROM seal_queue WHERE tenant_id = $1 AND id = ANY($2::bigint[])", [tenantId, queueIds]);
}

/** A journal's registration; undefined unless it is in the log. */
export async function sealedRegistration(
  tx: Tx,
  tenantId: string,
  journalId: string,
): Promise<SignedRegistration | undefined> {
  const [row] = await tx.query<SignedRegistration>(
    `SELECT journal.registration AS body, journal.possession, journal.countersignature
       FROM log_entry AS entry JOIN journal ON journal.tenant_id = $1 AND journal.id = entry.journal_id
      WHERE entry.tenant_id = $1 AND entry.kind = 'registration' AND entry.journal_id = $2`,
    [tenantId, journalId],
  );
  return row;
}

/** A segment's header; undefined unless it is in the log. */
export async function sealedSegmentHeader(
  tx: Tx,
  tenantId: string,
  journalId: string,
  number: number,
): Promise<Buffer | undefined> {
  const [row] = await tx.query<{ header: Buffer }>(
    `SELECT segment.header FROM log_entry AS entry
       JOIN segment ON segment.tenant_id = $1 AND segment.journal_id = entry.journal_id AND segment.number = entry.number
      WHERE entry.tenant_id = $1 AND entry.kind = 'segment' AND entry.journal_id = $2 AND entry.number = $3`,
    [tenantId, journalId, number],
  );
  return row?.header;
}

/** A closed block's header; undefined unless it is in the log. */
export async function sealedBlockHeader(tx: Tx, tenantId: string, number: number): Promise<Buffer | undefined> {
  const [row] = await tx.query<{ header: Buffer }>(
    `SELECT block.header FROM log_entry AS entry
       JOIN closed_block AS block ON block.tenant_id = $1 AND block.number = entry.number
      WHERE entry.tenant_id = $1 AND entry.kind = 'block' AND entry.journal_id IS NULL AND entry.number = $2`,
    [tenantId, number],
  );
  return row?.header;
}
