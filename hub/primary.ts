import { type Database, OUTBOX_CHANNEL, primaryId, type Tx } from "@heauth/store";

/** A connection of its own to the primary, on which commits of events are told of. */
export interface Primary extends Tx {
  /** Names the history that the server writes. */
  readonly store: string;
  /** Also ends a statement that hangs. */
  close(): void;
}

/**
 * Connects and listens.
 * @param onCommit called when an event was committed; may miss some, so it only hastens
 * @throws when there is no primary to be had
 */
export async function connectPrimary(database: Database, onCommit: () => void): Promise<Primary> {
  const client = await database.pool.connect();
  let closed = false;
  const close = () => {
    if (!closed) client.release(true);
    closed = true;
  };
  const tx: Tx = {
    query: async <Row extends object>(sql: string, params: readonly unknown[] = []) =>
      (await client.query(sql, [...params])).rows as Row[],
  };
  // Its end shows at the next statement.
  client.on("error", () => {});
  client.on("notification", onCommit);
  try {
    const store = await primaryId(tx);
    await tx.query(`LISTEN ${OUTBOX_CHANNEL}`);
    return { ...tx, store, close };
  } catch (error) {
    close();
    throw error;
  }
}
