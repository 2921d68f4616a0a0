import type { LogEntry } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { LedgerStoreError } from "./errors.ts";

/** Where a tenant's log stands. `frontier`: the roots of its complete subtrees, as core/ledger's Frontier writes them. */
export interface LogHead {
  readonly epoch: number;
  readonly size: number;
  readonly root: Buffer;
  readonly frontier: Buffer;
  /** Why sealing stopped; null while it goes on. */
  readonly halted: string | null;
}

/** The first epoch; a recovery begins the next. */
export const FIRST_EPOCH = 0;

/** What an entry tells of: `journal` of registrations and segments, `number` of all but registrations. */
export interface EntryName {
  readonly kind: LogEntry["kind"];
  readonly journal: string | null;
  readonly number: number | null;
}

/** Where the tenant's log stands; undefined before its beginning. No other sealer gets it until the transaction ends. */
export async function lockLogHead(tx: Tx, tenantId: string): Promise<LogHead | undefined> {
  const [row] = await tx.query<LogHead>(
    "SELECT epoch, size, root, frontier, halted FROM log_head WHERE tenant_id = $1 FOR NO KEY UPDATE",
    [tenantId],
  );
  return row;
}

/** Where the tenant's log stands; undefined before its beginning. */
export async function readLogHead(tx: Tx, tenantId: string): Promise<LogHead | undefined> {
  const [row] = await tx.query<LogHead>(
    "SELECT epoch, size, root, frontier, halted FROM log_head WHERE tenant_id = $1",
    [tenantId],
  );
  return row;
}

/** Begins a tenant's log, unless somebody else has, or there is no such tenant. */
export async function beginLog(tx: Tx, tenantId: string, head: Omit<LogHead, "halted">): Promise<void> {
  await tx.query(
    `INSERT INTO log_head (tenant_id, epoch, size, root, frontier)
     SELECT id, $2, $3, $4, $5 FROM tenant WHERE id = $1 ON CONFLICT DO NOTHING`,
    [tenantId, head.epoch, head.size, head.root, head.frontier],
  );
}

/**
 * Appends entries of the epoch of `next`, if the log still stands where the caller saw it: the fence between two sealers.
 * @throws LedgerStoreError HeadMoved
 */
export async function appendEntries(
  tx: Tx,
  tenantId: string,
  seen: LogHead,
  next: Pick<LogHead, "epoch" | "size" | "root" | "frontier">,
  entries: readonly (EntryName & { readonly leaf: Uint8Array })[],
): Promise<void> {
  const moved = await tx.query(
    `UPDATE log_head SET epoch = $5, size = $6, root = $7, frontier = $8
      WHERE tenant_id = $1 AND epoch = $2 AND size = $3 AND root = $4 RETURNING size`,
    [tenantId, seen.epoch, seen.size, seen.root, next.epoch, next.size, next.root, next.frontier],
  );
  if (moved.length === 0) throw new LedgerStoreError("HeadMoved", "another sealer has appended to the log");
  await tx.query(
    `INSERT INTO log_entry (tenant_id, epoch, index, kind, journal_id, number, leaf)
     SELECT $1, $2, $3 + entry.place - 1, entry.kind, entry.journal_id, entry.number, entry.leaf
       FROM unnest($4::text[], $5::uuid[], $6::bigint[], $7::bytea[])
            WITH ORDINALITY AS entry (kind, journal_id, number, leaf, place)`,
    [
      tenantId,
      next.epoch,
      seen.size,
      entries.map(({ kind }) => kind),
      entries.map(({ journal }) => journal),
      entries.map(({ number }) => number),
      entries.map(({ leaf }) => leaf),
    ],
  );
}

/** Keeps a signed checkpoint. */
export async function insertCheckpoint(
  tx: Tx,
  tenantId: string,
  checkpoint: { readonly epoch: number; readonly size: number; readonly note: string },
): Promise<void> {
  await tx.query("INSERT INTO checkpoint (tenant_id, epoch, size, note) VALUES ($1, $2, $3, $4)", [
    tenantId,
    checkpoint.epoch,
    checkpoint.size,
    checkpoint.note,
  ]);
}

/** The signed checkpoint of this size; undefined when there is none. */
export async function readCheckpoint(
  tx: Tx,
  tenantId: string,
  { epoch, size }: Pick<LogHead, "epoch" | "size">,
): Promise<string | undefined> {
  const [row] = await tx.query<{ note: string }>(
    "SELECT note FROM checkpoint WHERE tenant_id = $1 AND epoch = $2 AND size = $3",
    [tenantId, epoch, size],
  );
  return row?.note;
}

/** Leaves of the log in order, of whatever epoch, at most `limit`; where one is missing they end before it. */
export async function readLeaves(
  tx: Tx,
  tenantId: string,
  { from, limit }: { readonly from: number; readonly limit: number },
): Promise<Buffer[]> {
  const rows = await tx.query<{ index: number; leaf: Buffer }>(
    "SELECT index, leaf FROM log_entry WHERE tenant_id = $1 AND index >= $2 ORDER BY index LIMIT $3",
    [tenantId, from, limit],
  );
  const dense = rows.findIndex(({ index }, place) => index !== from + place);
  return (dense < 0 ? rows : rows.slice(0, dense)).map(({ leaf }) => leaf);
}

/** Says why sealing stopped, or that it goes on (null). */
export async function setHalted(tx: Tx, tenantId: string, halted: string | null): Promise<void> {
  await tx.query("UPDATE log_head SET halted = $2 WHERE tenant_id = $1", [tenantId, halted]);
}
