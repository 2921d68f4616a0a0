import { rename, writeFile } from "node:fs/promises";
import { asError, type Counter, createBackoff, type Logger, type Part, retry } from "@heauth/program";
import { EmbeddedPostgres } from "@heauth/store/embedded";

export interface EmbeddedDatabaseOptions {
  /** The cluster; made when absent. */
  dataDir: string;
  /** The superuser's password, mode 0600; made when absent. */
  passwordFile: string;
  /** Gets the connection string, mode 0600, for psql and for the other commands. */
  urlFile: string;
  /** The database that `urlFile` names. */
  database: string;
  log: Logger;
  restarts?: Counter;
  /** The first wait before the server is started again after an unexpected end; 500 ms unless given. */
  restartAfterMs?: number;
}

/** The PostgreSQL of `--data DIR`. */
export interface EmbeddedDatabase extends Part {
  /** The same across restarts. After the first start. */
  url(database?: string): string;
  pid(): number | undefined;
}

/** Enough for one machine's programs, little enough for a laptop. */
const settings = {
  max_connections: "100",
  shared_buffers: "64MB",
  max_wal_size: "256MB",
  log_min_messages: "warning",
};

/** A durable PostgreSQL that comes back by itself when it ends unexpectedly. */
export function createEmbeddedDatabase(options: EmbeddedDatabaseOptions): EmbeddedDatabase {
  const { dataDir, passwordFile, urlFile, database, log, restarts, restartAfterMs = 500 } = options;
  let stopping = new AbortController();
  let restarting: Promise<void> = Promise.resolve();

  const postgres = new EmbeddedPostgres({
    dataDir,
    passwordFile,
    settings,
    log: (line) => log.debug(line),
    onExit(how) {
      log.error({ how }, "PostgreSQL ended unexpectedly");
      restarting = restart(stopping.signal);
    },
  });

  async function begin(): Promise<void> {
    await postgres.start();
    // Renamed into place: a reader never sees half of it.
    await writeFile(`${urlFile}.new`, `${postgres.url(database)}\n`, { mode: 0o600 });
    await rename(`${urlFile}.new`, urlFile);
  }

  async function restart(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({ firstMs: restartAfterMs, maxMs: 10_000 });
    const attempt = async () => {
      await postgres.stop();
      await begin();
    };
    try {
      await retry(attempt, {
        backoff,
        signal,
        onRetry: (error) => log.error({ err: asError(error) }, "PostgreSQL did not start again"),
      });
      restarts?.add();
      log.info({ childPid: postgres.pid }, "PostgreSQL started again");
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  return {
    name: "postgres",
    url: (name) => postgres.url(name),
    pid: () => postgres.pid,
    async start() {
      stopping = new AbortController();
      await begin();
    },
    async stop(deadline) {
      stopping.abort();
      await restarting;
      const { pid } = postgres;
      const hurry = () => {
        if (pid !== undefined && postgres.pid === pid) process.kill(pid, "SIGQUIT");
      };
      deadline.addEventListener("abort", hurry, { once: true });
      if (deadline.aborted) hurry();
      await postgres.stop();
      deadline.removeEventListener("abort", hurry);
    },
  };
}
