import { type Database, SILENCE_MS as TRANSACTION_SILENCE_MS } from "@heauth/store";

/** As much of a pooled connection as locks need. */
interface Connection {
  query(sql: string, params?: unknown[]): Promise<{ rows: { locked?: boolean }[] }>;
  once(event: "error", listener: () => void): unknown;
  release(destroy: boolean): void;
}

export interface JobLocksOptions {
  /** How long the server waits for a word on the locks' connection before it ends it; 15 s unless given. */
  readonly silenceMs?: number;
  /** Told of each lock when it is taken: at first, and again after it was lost. Then others may have been at work, on another database even. */
  readonly onTaken?: (job: string) => void;
}

/** Longer than a transaction's: who takes a job over finds nothing of the one before in its way. */
const SILENCE_MS = TRANSACTION_SILENCE_MS + 5_000;

/**
 * Advisory locks of the session kind, all on one connection: of several operators on the same database one runs each job. Who loses
 * the connection loses its locks; what was under way then is fenced by the database itself (compare-and-set, row locks).
 *
 * A process that is frozen (SIGSTOP, a paused machine) keeps its connection: its kernel still answers. So the server is told to end
 * the session when nothing is heard on it for a while, and the connection says something several times as often.
 */
export class JobLocks {
  readonly #database: Database;
  readonly #silenceMs: number;
  readonly #onTaken: (job: string) => void;
  readonly #held = new Set<string>();
  #opening: Promise<Connection> | undefined;
  #open: Connection | undefined;
  /** Until then, by the monotonic clock in ms, the server has not given the locks to anybody else. */
  #heldUntil = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  /** A connection answers one question at a time. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(database: Database, { silenceMs = SILENCE_MS, onTaken = () => {} }: JobLocksOptions = {}) {
    this.#database = database;
    this.#silenceMs = silenceMs;
    this.#onTaken = onTaken;
  }

  /** Whether the job is ours to run now; asks for it where it is not. */
  async holds(job: string): Promise<boolean> {
    if (this.#held.has(job) && performance.now() < this.#heldUntil) return true;
    const asked = this.#asking.then(() => this.#ask(job));
    this.#asking = asked.catch(() => {});
    return asked;
  }

  async #ask(job: string): Promise<boolean> {
    const connection = await this.#connection();
    // A lock that is held is not taken again, else it would have to be given back as often.
    if (this.#held.has(job)) await this.#say(connection, "SELECT true AS locked");
    else {
      const sql = "SELECT pg_try_advisory_lock(hashtextextended('heauth.job.' || $1, 0)) AS locked";
      const locked = await this.#say(connection, sql, [job]);
      // The connection may have gone while it answered.
      if (locked && this.#open === connection) {
        this.#held.add(job);
        this.#onTaken(job);
      }
    }
    return this.#held.has(job);
  }

  /** Every answer shows that the session, and with it every lock, still stands. */
  async #say(connection: Connection, sql: string, params: unknown[] = []): Promise<boolean> {
    // The server counts from its answer on, which is later than this.
    const asked = performance.now();
    try {
      const { rows } = await connection.query(sql, params);
      if (this.#open === connection) this.#heldUntil = asked + this.#silenceMs;
      return rows[0]?.locked === true;
    } catch (error) {
      this.#drop(connection);
      throw error;
    }
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
    try {
      await connection.query(`SET idle_session_timeout = ${this.#silenceMs}`);
    } catch (error) {
      connection.release(true);
      throw error;
    }
    this.#open = connection;
    this.#heartbeat = setInterval(() => this.#beat(connection), this.#silenceMs / 4);
    return connection;
  }

  #beat(connection: Connection): void {
    // A question that waits for its answer is a word, too.
    this.#asking = this.#asking
      .then(() => (this.#open === connection ? this.#say(connection, "SELECT true AS locked") : false))
      .catch(() => {});
  }

  /** Ending the connection gives its locks back. */
  #drop(connection: Connection): void {
    if (this.#open !== connection) return;
    this.#open = undefined;
    clearInterval(this.#heartbeat);
    this.#held.clear();
    this.#heldUntil = 0;
    connection.release(true);
  }
}
