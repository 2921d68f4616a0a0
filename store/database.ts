import { ProgramError, withDeadline } from "@heauth/program";
import pg from "pg";
import { StoreError, toStoreError } from "./errors.ts";
import { refuseTransactionPooling } from "./pooled.ts";
import { runTransaction, type Tx } from "./transaction.ts";
import { columnTypes } from "./values.ts";

export type ProgramRole = "heauth_identity" | "heauth_hub" | "heauth_operator" | "heauth_auditor" | "heauth_recovery";

export type DatabaseOptions = {
  /** PostgreSQL connection string of a login that is a member of `role`. */
  url: string;
  /** What the connections become; null: what they logged in as. */
  role: ProgramRole | null;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** Connections at most; default 10, at least 2. */
  max?: number;
  /** ms; default 3,000. */
  connectTimeout?: number;
  /** ms; default 10,000. The server ends the statement; a server that hangs is given up 2 s later. */
  statementTimeout?: number;
};

export type Database = {
  readonly pool: pg.Pool;
  /** Read committed. Rolled back on any error of `work`. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** As `transaction`, for one tenant: row level security shows and takes no other's rows. */
  tenantTransaction<T>(tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Read only, all statements on one snapshot (repeatable read). */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
};

/**
 * Opens a pool of connections and proves that it works: one must connect, become `role`, and not be behind a transaction pooler.
 *
 * @throws StoreError `BadDatabaseUrl`, `StoreUnavailable`, `TransactionPooled`
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const pool = new pg.Pool(poolConfig(options));
  // An idle connection's end is no event of its own: the next use opens another, and says so if it cannot.
  pool.on("error", () => {});
  try {
    await refuseTransactionPooling(pool);
  } catch (error) {
    await pool.end();
    throw toStoreError(error);
  }
  return {
    pool,
    transaction: (work) => runTransaction(pool, "BEGIN", work),
    tenantTransaction: (tenantId, work) =>
      runTransaction(pool, `BEGIN; SET LOCAL heauth.tenant = ${pg.escapeLiteral(tenantId)}`, work),
    read: (work) => runTransaction(pool, BEGIN_READING, work),
    stop: () => endPool(pool),
  };
}

/** How long a transaction may say nothing before the server undoes it, in ms: a process that is frozen in the middle keeps its row locks until then. */
export const SILENCE_MS = 10_000;
/** Of one that only reads: nobody waits for it, and auditors' commands have much to do between two statements. */
const READ_SILENCE_MS = 120_000;

const BEGIN_READING = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = ${READ_SILENCE_MS}`;

/** How heauth's connections are made, pooled or not. */
export function connectionConfig(options: DatabaseOptions): pg.ClientConfig {
  const statementTimeout = options.statementTimeout ?? 10_000;
  return {
    connectionString: checkedUrl(options.url),
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeout ?? 3_000,
    statement_timeout: statementTimeout,
    // The client's own limit: a server that is stopped cannot keep to the one above.
    query_timeout: statementTimeout + 2_000,
    idle_in_transaction_session_timeout: SILENCE_MS,
    keepAlive: true,
    types: columnTypes,
  };
}

/** First statement of every connection. Not in the connection's startup options: those the connection string could override. */
export function sessionSetup(role: ProgramRole | null): string {
  const settings = "SET search_path = heauth; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'";
  return role === null ? settings : `${settings}; SET ROLE ${pg.escapeIdentifier(role)}`;
}

function poolConfig(options: DatabaseOptions): pg.PoolConfig {
  const setup = sessionSetup(options.role);
  return {
    ...connectionConfig(options),
    max: Math.max(options.max ?? 10, 2),
    idleTimeoutMillis: 30_000,
    onConnect: async (client) => {
      // A connection may break between two statements of a transaction; the next one says so. Unheard, it would end the program.
      client.on("error", () => {});
      await client.query(setup);
    },
  };
}

/** A server that hangs does not hold up the program's own end. */
async function endPool(pool: pg.Pool): Promise<void> {
  await withDeadline(2_000, "ending the database's connections", () => pool.end()).catch((error: unknown) => {
    if (!(error instanceof ProgramError && error.code === "DeadlineExceeded")) throw error;
  });
}

function checkedUrl(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url)) return url;
  throw new StoreError(
    "BadDatabaseUrl",
    "the database URL must begin with postgresql://, e.g. postgresql://heauth@db/heauth",
  );
}
