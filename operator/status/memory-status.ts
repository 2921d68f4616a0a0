import { isDeepStrictEqual } from "node:util";
import type { Logger } from "@heauth/program";
import { keyText, type ResourceKey, resourceName } from "../source/source.ts";
import type { Condition, ResourceStatus, StatusSink } from "./condition.ts";

export interface DatedCondition extends Condition {
  /** ms since the Unix epoch; stays while the status is the same. */
  readonly lastTransitionMs: number;
}

export interface DatedStatus extends Omit<ResourceStatus, "conditions"> {
  readonly conditions: readonly DatedCondition[];
}

/** Keeps statuses in memory, and logs each condition that changed: once, as a warning where something is not as it should be. */
export class MemoryStatus implements StatusSink {
  readonly #log: Logger;
  readonly #nowMs: () => number;
  readonly #statuses = new Map<string, DatedStatus>();

  constructor(log: Logger, nowMs: () => number = Date.now) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  get(key: ResourceKey): DatedStatus | undefined {
    return this.#statuses.get(keyText(key));
  }

  all(): ReadonlyMap<string, DatedStatus> {
    return this.#statuses;
  }

  async report(key: ResourceKey, status: ResourceStatus): Promise<void> {
    const name = keyText(key);
    const before = this.#statuses.get(name);
    const conditions = status.conditions.map((condition) => {
      const old = before?.conditions.find(({ type }) => type === condition.type);
      const since = old?.status === condition.status ? old.lastTransitionMs : this.#nowMs();
      const dated = { ...condition, lastTransitionMs: since };
      if (!isDeepStrictEqual(old, dated)) this.#tell(resourceName(key), condition);
      return dated;
    });
    this.#statuses.set(name, { ...status, conditions });
  }

  async forget(key: ResourceKey): Promise<void> {
    if (this.#statuses.delete(keyText(key))) this.#log.info({ resource: resourceName(key) }, "the resource is gone");
  }

  #tell(resource: string, { type, status, reason, message }: Condition): void {
    const good = type === "Paused" || status === "True";
    const line = { resource, condition: type, status, reason };
    const text = message === "" ? `${type} is ${status}` : message;
    if (good) this.#log.info(line, text);
    else this.#log.warn(line, text);
  }
}
