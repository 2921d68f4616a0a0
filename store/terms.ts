import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";
import type { Tx } from "./transaction.ts";

/**
 * Begins the next term of office: from its commit on, whoever writes under an earlier one is refused. Waits for transactions of
 * earlier terms that are under way, so that what they wrote is seen.
 *
 * @returns its number
 */
export async function takeTerm(database: Database, name: string): Promise<number> {
  const [row] = await database.transaction((tx) =>
    tx.query<{ term: number }>(
      `INSERT INTO heauth.term (name, term) VALUES ($1, 1)
       ON CONFLICT (name) DO UPDATE SET term = term.term + 1 RETURNING term`,
      [name],
    ),
  );
  if (row === undefined) throw new Error("a term was not written");
  return row.term;
}

export interface FencedOptions {
  /** How long a transaction may say nothing before the server undoes it; 5 s unless given. */
  readonly silenceMs?: number;
}

const SILENCE_MS = 5_000;

/**
 * The database as the holder of a term sees it: every transaction first makes sure that the term is still the newest, and holds off
 * the next one until it ends, or until its holder has been silent for too long: one that is frozen in the middle must not hold up
 * who takes over. Transactions reject with StoreError `Fenced` when a later term has begun: nothing is written.
 * `pool` and `stop` are the database's own.
 */
export function fenced(
  database: Database,
  name: string,
  term: number,
  { silenceMs = SILENCE_MS }: FencedOptions = {},
): Database {
  const silence = `, set_config('idle_in_transaction_session_timeout', '${silenceMs}', true)`;
  const hold = fence(name, term, { also: silence, lock: "FOR SHARE" });
  // A reading transaction can't lock; it changes nothing either.
  const check = fence(name, term, { also: "", lock: "" });
  return {
    pool: database.pool,
    transaction: (work) => database.transaction(async (tx) => work(await hold(tx))),
    tenantTransaction: (tenantId, work) => database.tenantTransaction(tenantId, async (tx) => work(await hold(tx))),
    read: (work) => database.read(async (tx) => work(await check(tx))),
    stop: () => database.stop(),
  };
}

function fence(
  name: string,
  term: number,
  { also, lock }: { readonly also: string; readonly lock: "FOR SHARE" | "" },
): (tx: Tx) => Promise<Tx> {
  return async (tx) => {
    const [row] = await tx.query<{ term: number }>(`SELECT term${also} FROM heauth.term WHERE name = $1 ${lock}`, [
      name,
    ]);
    if (row?.term !== term) throw new StoreError("Fenced", `term ${term} of ${name} is over`);
    return tx;
  };
}
