import {
  amendBlock,
  blocksToAmend,
  blocksToClose,
  closeBlock,
  type Database,
  type Recorder,
  type SessionName,
} from "@heauth/store";
import { FailingTenants } from "../failing-tenants.ts";
import type { OnFailure } from "../one-by-one.ts";

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
  /** Whose blocks could not be closed, or amended, and wait therefore; nobody's unless given. */
  readonly failing?: { readonly closing: FailingTenants; readonly amending: FailingTenants };
  /** Told of a session whose block could not be closed or amended; it is tried again. */
  readonly onFailure: OnFailure<SessionName>;
}

/**
 * Closes the blocks of closed sessions, and amends those to which records came late.
 * @returns whether there may be more
 */
export async function closeBlocks(options: CloseBlocksOptions): Promise<boolean> {
  const { database, recorder, graceMs = 10_000, amendAfterMs = 5_000, onClosed, onFailure } = options;
  const { closing: notClosing, amending: notAmending } = options.failing ?? {
    closing: new FailingTenants(),
    amending: new FailingTenants(),
  };
  const closing = await database.transaction((tx) =>
    blocksToClose(tx, { graceMs, limit: BATCH, except: notClosing.now() }),
  );
  const close = async (session: SessionName) => {
    const number = await database.tenantTransaction(session.tenantId, (tx) => closeBlock(tx, session));
    if (number !== undefined) onClosed?.();
  };
  await notClosing.oneByOne(closing, close, onFailure);
  const late = await database.transaction((tx) =>
    blocksToAmend(tx, { waitMs: amendAfterMs, limit: BATCH, except: notAmending.now() }),
  );
  const amend = (session: SessionName) =>
    database.tenantTransaction(session.tenantId, (tx) => amendBlock(tx, recorder, session));
  await notAmending.oneByOne(late, amend, onFailure);
  return closing.length === BATCH || late.length === BATCH;
}
