import type pg from "pg";
import { toStoreError } from "./errors.ts";

/** A running transaction. Rows come as plain objects; see values.ts for how columns arrive. */
export type Tx = {
  query<Row extends object = Record<string, never>>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
};

/**
 * Runs `work` between `begin` and COMMIT; any error of it rolls everything back and is thrown on.
 *
 * @throws StoreError `StoreUnavailable` when the database does not answer; whether a COMMIT without an answer happened is then unknown
 */
export async function runTransaction<T>(pool: pg.Pool, begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error);
  });
  let broken = true;
  try {
    await client.query(begin);
    const result = await work(onClient(client));
    const { command } = await client.query("COMMIT");
    // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK and no error.
    if (command !== "COMMIT") throw new Error("a failed statement was ignored: the transaction was rolled back");
    broken = false;
    return result;
  } catch (error) {
    const known = toStoreError(error);
    // A connection that gave no answer is not asked again: it is closed, which also ends the transaction.
    if (known === error) {
      await client.query("ROLLBACK").then(
        () => {
          broken = false;
        },
        () => {},
      );
    }
    throw known;
  } finally {
    client.release(broken);
  }
}

function onClient(client: pg.ClientBase): Tx {
  return {
    async query<Row extends object>(sql: string, params: readonly unknown[] = []): Promise<Row[]> {
      const { rows } = await client.query<Row & pg.QueryResultRow>(sql, [...params]);
      return rows;
    },
  };
}
