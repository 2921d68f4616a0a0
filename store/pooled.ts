import type pg from "pg";
import { StoreError } from "./errors.ts";

const PID = "SELECT pg_backend_pid() AS pid";

/**
 * Session state (role, advisory locks, LISTEN) must hold on a connection, so a pooler that gives another one to every transaction is
 * refused. Two connections tell: behind such a pooler the second one's transaction takes over the first one's server process, or
 * the first one then finds itself on another.
 *
 * @throws StoreError `TransactionPooled`
 */
export async function refuseTransactionPooling(pool: pg.Pool): Promise<void> {
  // One after the other: when the second one can't connect, the first one must be given back, or the pool could never be ended.
  const first = await pool.connect();
  try {
    const second = await pool.connect();
    try {
      await refuseSharedServer(first, second);
    } finally {
      second.release();
    }
  } finally {
    first.release();
  }
}

async function refuseSharedServer(first: pg.ClientBase, second: pg.ClientBase): Promise<void> {
  const before = await pidOf(first);
  await second.query("BEGIN");
  const others = await pidOf(second);
  const after = await pidOf(first);
  await second.query("ROLLBACK");
  if (others === before || after !== before) {
    throw new StoreError(
      "TransactionPooled",
      "the database URL leads to a transaction pooler: use the server's own address, or session pooling",
    );
  }
}

async function pidOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(PID);
  return rows[0]?.pid ?? 0;
}
