import type { Logger, Part } from "@heauth/program";
import { type AckNews, acksSince, type Database, type PolicyName } from "@heauth/store";
import { Poll } from "../../runtime/poll.ts";

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
  readonly #options: AckWatchOptions;
  readonly #poll: Poll;
  /** By pod and policy, when it came: all that a next reading may find again. */
  #told = new Map<string, number>();
  #since: number | undefined;

  constructor(options: AckWatchOptions) {
    this.#options = options;
    const { log, everyMs = 2_000 } = options;
    this.#poll = new Poll({ round: () => this.round(), everyMs, log, what: "what sidecars say of their policies" });
  }

  async start(): Promise<void> {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** One reading. */
  async round(): Promise<void> {
    const { database, onAcked } = this.#options;
    const { now, news } = await database.read((tx) => acksSince(tx, this.#since));
    const fresh = news.filter((each) => this.#told.get(keyOf(each)) !== each.at);
    const policies = new Map(fresh.map(({ namespace, name }) => [`${namespace}/${name}`, { namespace, name }]));
    this.#since ??= now;
    this.#since = Math.max(this.#since, now - OVERLAP_US);
    this.#told = new Map(news.map((each) => [keyOf(each), each.at]));
    for (const policy of policies.values()) onAcked(policy);
  }
}

function keyOf({ namespace, name, pod }: AckNews): string {
  return `${namespace}/${name}/${pod}`;
}
