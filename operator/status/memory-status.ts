import type { Logger } from "@heauth/program";
import { keyText, type ResourceKey, resourceName } from "../source/source.ts";
import type { ResourceStatus, StatusSink } from "./condition.ts";
import { type DatedCondition, dated } from "./dated.ts";
import { tellCondition } from "./tell-condition.ts";

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
    const before = this.#statuses.get(name)?.conditions ?? [];
    const { conditions, changed } = dated(status.conditions, before, this.#nowMs());
    this.#statuses.set(name, { ...status, conditions });
    for (const condition of changed) tellCondition(this.#log, key, condition);
  }

  async forget(key: ResourceKey): Promise<void> {
    if (this.#statuses.delete(keyText(key))) this.#log.info({ resource: resourceName(key) }, "the resource is gone");
  }
}
