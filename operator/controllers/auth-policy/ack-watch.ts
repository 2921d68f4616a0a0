import { asError, type Logger, type Part, pause } from "@heauth/program";
import { type AckNews, acksSince, type Database, type PolicyName } from "@heauth/store";

export interface AckWatchOptions {
  readonly database: Database;
  /** Told of each policy that a pod has said something of. */
  readonly onAcked: (policy: PolicyName) => void;
  readonly log: Logger;
  /** Statuses follow at most so often; 2 s unless given. */
  readonly everyMs?: number;
}

/** Commits may come later than what they say, by a statement's time limit and a bit; µs. */
const OVERLAP_US = 20_000_000;

/**
 * Follows what sidecars say of their policies. It reads what is new only: where nothing happens, nothing is read. From `start()` on;
 * what was said before is for the first reconciling.
 */
export class AckWatch implements Part {
  readonly name = "ack watch";
  readonly #options: Required<AckWatchOptions>;
  readonly #stopping = new AbortController();
  /** By pod and policy, when it came: all that a next reading may find again. */
  #told = new Map<string, number>();
  #since: number | undefined;
  #running: Promise<void> | undefined;

  constructor(options: AckWatchOptions) {
    this.#options = { everyMs: 2_000, ...options };
  }

  async start(): Promise<void> {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { everyMs, log } = this.#options;
    const { signal } = this.#stopping;
    let failing = false;
    while (!signal.aborted) {
      try {
        await this.round();
        failing = false;
      } catch (error) {
        if (!failing)
          log.warn({ err: asError(error) }, "what sidecars say of their policies can't be read; it is tried again");
        failing = true;
      }
      await pause(everyMs, signal).catch(() => {});
    }
  }

  /** One reading. */
  async round(): Promise<void> {
    const { database, onAcked } = this.#options;
    const { now, news } = await database.read((tx) => acksSince(tx, this.#since));
    const fresh = news.filter((each) => this.#told.get(keyOf(each)) !== each.at);
    const policies = new Map(fresh.map(({ namespace, name }) => [`${namespace}/${name}`, { namespace, name }]));
    this.#since = now - OVERLAP_US;
    this.#told = new Map(news.map((each) => [keyOf(each), each.at]));
    for (const policy of policies.values()) onAcked(policy);
  }
}

function keyOf({ namespace, name, pod }: AckNews): string {
  return `${namespace}/${name}/${pod}`;
}
