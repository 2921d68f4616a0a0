import type { Database } from "@heauth/store";

/** As much of a pooled connection as locks need. */
interface Connection {
  query(sql: string, params: unknown[]): Promise<{ rows: { locked?: boolean }[] }>;
  once(event: "error", listener: () => void): unknown;
  release(destroy: boolean): void;
}

/**
 * Advisory locks of the session kind, all on one connection: of several operators on the same database one runs each job. Who loses
 * the connection loses its locks; what was under way then is fenced by the database itself (compare-and-set, row locks).
 */
export class JobLocks {
  readonly #database: Database;
  readonly #held = new Set<string>();
  #client: Promise<Connection> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whether the job is ours to run now; asks for it where it is not. */
  async holds(job: string): Promise<boolean> {
    if (this.#held.has(job)) return true;
    const client = await this.#connection();
    const { rows } = await client.query(
      "SELECT pg_try_advisory_lock(hashtextextended('heauth.job.' || $1, 0)) AS locked",
      [job],
    );
    const locked = rows[0]?.locked === true;
    // The connection may have gone while it answered.
    if (locked && this.#client !== undefined && (await this.#client) === client) this.#held.add(job);
    return this.#held.has(job);
  }

  /** Gives every lock back. */
  async release(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#lost();
    client?.release(true);
  }

  #connection(): Promise<Connection> {
    this.#client ??= this.#connect().then(
      (client: Connection) => {
        client.once("error", () => {
          this.#lost();
          client.release(true);
        });
        return client;
      },
      (error: unknown) => {
        this.#client = undefined;
        throw error;
      },
    );
    return this.#client;
  }

  #connect(): Promise<Connection> {
    return this.#database.pool.connect();
  }

  #lost(): void {
    this.#client = undefined;
    this.#held.clear();
  }
}
