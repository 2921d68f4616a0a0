import {
  amendBlock,
  blocksToAmend,
  blocksToClose,
  closeBlock,
  type Database,
  type Recorder,
  type SessionName,
} from "@heauth/store";

const BATCH = 128;

export interface CloseBlocksOptions {
  readonly database: Database;
  /** Writes the amendments. */
  readonly recorder: Recorder;
  /** How long the sidecars may take to commit what they recorded before a session's end; 10 s unless given. */
  readonly graceMs?: number;
  /** How long late records wait, so that one amendment tells of several; 5 s unless given. */
  readonly amendAfterMs?: number;
  readonly onClosed?: () => void;
}

/**
 * Closes the blocks of closed sessions, and amends those to which records came late.
 * @returns whether there may be more
 */
export async function closeBlocks(options: CloseBlocksOptions): Promise<boolean> {
  const { database, recorder, graceMs = 10_000, amendAfterMs = 5_000, onClosed } = options;
  const closing = await database.transaction((tx) => blocksToClose(tx, { graceMs, limit: BATCH }));
  for (const session of closing) {
    const number = await inTenant(database, session, (tx) => closeBlock(tx, session));
    if (number !== undefined) onClosed?.();
  }
  const late = await database.transaction((tx) => blocksToAmend(tx, { waitMs: amendAfterMs, limit: BATCH }));
  for (const session of late) await inTenant(database, session, (tx) => amendBlock(tx, recorder, session));
  return closing.length === BATCH || late.length === BATCH;
}

function inTenant<T>(
  database: Database,
  { tenantId }: SessionName,
  work: Parameters<typeof database.tenantTransaction<T>>[1],
): Promise<T> {
  return database.tenantTransaction(tenantId, work);
}
