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
  #opening: Promise<Connection> | undefined;
  #open: Connection | undefined;
  /** A connection answers one question at a time. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whether the job is ours to run now; asks for it where it is not. */
  async holds(job: string): Promise<boolean> {
    if (this.#held.has(job)) return true;
    const asked = this.#asking.then(() => this.#ask(job));
    this.#asking = asked.catch(() => {});
    return asked;
  }

  async #ask(job: string): Promise<boolean> {
    const connection = await this.#connection();
    try {
      const { rows } = await connection.query(
        "SELECT pg_try_advisory_lock(hashtextextended('heauth.job.' || $1, 0)) AS locked",
        [job],
      );
      // The connection may have gone while it answered.
      if (rows[0]?.locked === true && this.#open === connection) this.#held.add(job);
    } catch (error) {
      this.#drop(connection);
      throw error;
    }
    return this.#held.has(job);
  }

  /** Gives every lock back. */
  async release(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    if (this.#open !== undefined) this.#drop(this.#open);
  }

  /** One connection, however many ask for it at once. */
  async #connection(): Promise<Connection> {
    if (this.#open !== undefined) return this.#open;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<Connection> {
    const connection: Connection = await this.#database.pool.connect();
    connection.once("error", () => this.#drop(connection));
    this.#open = connection;
    return connection;
  }

  /** Ending the connection gives its locks back. */
  #drop(connection: Connection): void {
    if (this.#open !== connection) return;
    this.#open = undefined;
    this.#held.clear();
    connection.release(true);
  }
}
