import { asError, createBackoff, type Logger, pause } from "@heauth/program";
import { type Database, type DatabaseOptions, openDatabase, StoreError, schemaState } from "@heauth/store";

export interface WaitingForDatabase {
  readonly log: Logger;
  /** Ends the waiting; it rejects with the signal's reason. */
  readonly stopping: AbortSignal;
  /** Told of what it waits for, and of undefined when all is there. */
  readonly onState: (why: string | undefined) => void;
}

const BACKOFF = { firstMs: 250, maxMs: 5_000 };

/**
 * Opens the database as a program's role, as soon as it answers, lets the program's login in, and has a schema that the program works
 * with. Until then it says so: one line for each reason, and none for each try. Programs never migrate.
 *
 * @throws StoreError `BadDatabaseUrl`, `TransactionPooled`: waiting would not help
 */
export async function openProgramDatabase(options: DatabaseOptions, waiting: WaitingForDatabase): Promise<Database> {
  const { log, stopping, onState } = waiting;
  const backoff = createBackoff(BACKOFF);
  let said: string | undefined;
  for (;;) {
    stopping.throwIfAborted();
    const found = await tryToOpen(options);
    if (typeof found !== "string") {
      onState(undefined);
      if (said !== undefined) log.info("the database is there now");
      return found;
    }
    onState(found);
    if (found !== said) log.warn(`waiting for the database: ${found}`);
    said = found;
    await pause(backoff.next(), stopping);
  }
}

/** @returns why not, where that may change by itself or by somebody else */
async function tryToOpen(options: DatabaseOptions): Promise<Database | string> {
  let database: Database | undefined;
  try {
    database = await openDatabase(options);
    const state = await database.transaction(schemaState);
    if (state.fits) return database;
    await database.stop();
    return state.why;
  } catch (error) {
    await database?.stop();
    if (error instanceof StoreError && error.code !== "StoreUnavailable") throw error;
    return reason(asError(error));
  }
}

/** PostgreSQL's own words name logins, roles and databases, and no password. */
function reason(error: Error): string {
  return error.cause === undefined ? error.message : `${error.message} (${asError(error.cause).message})`;
}
