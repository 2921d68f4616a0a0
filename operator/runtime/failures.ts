import { asError, type Logger } from "@heauth/program";
import { keyText, type ResourceKey, resourceName } from "../source/source.ts";
import { isAway } from "./away.ts";
import { isConflict } from "./conflict.ts";
import { publicReason } from "./public-reason.ts";

/** So many failures in a row, in about 3 s, are no passing thing. */
const TOLD_AFTER = 5;

/** Where it is told, to those whose resource it is, that one can't be reconciled. */
export interface FailureSink {
  /** It failed again. @param why without secrets, and the same while nothing has changed */
  failing(key: ResourceKey, why: string): Promise<void>;
  /** It does not fail, or not any more. */
  over(key: ResourceKey): Promise<void>;
}

/** Tells of resources that fail again and again for a reason of their own: not while the database or the API server is away. */
export class Failures {
  readonly #sink: FailureSink;
  readonly #log: Logger;
  /** How often in a row. */
  readonly #counts = new Map<string, number>();

  constructor(sink: FailureSink, log: Logger) {
    this.#sink = sink;
    this.#log = log;
  }

  /** Never rejects: what can't be told now is told after the next failure. */
  async failed(key: ResourceKey, error: unknown): Promise<void> {
    if (isConflict(error) || isAway(error)) return;
    const text = keyText(key);
    const count = (this.#counts.get(text) ?? 0) + 1;
    this.#counts.set(text, count);
    if (count < TOLD_AFTER) return;
    try {
      await this.#sink.failing(key, publicReason(error));
    } catch (failure) {
      if (isConflict(failure)) return;
      const line = { resource: resourceName(key), err: asError(failure) };
      this.#log.warn(line, "that a resource can't be reconciled could not be written into its status");
    }
  }

  /** It was reconciled. */
  async over(key: ResourceKey): Promise<void> {
    await this.#sink.over(key);
    this.#counts.delete(keyText(key));
  }

  /** Others have reconciled meanwhile. */
  forget(): void {
    this.#counts.clear();
  }
}
