import { apiVersionOf, type ClusterClient } from "@heauth/program/kubernetes";
import type { Events } from "../runtime/events.ts";
import type { FailureSink } from "../runtime/failures.ts";
import type { KeptResource } from "../source/kubernetes/kept-resource.ts";
import { keyText, type ResourceKey } from "../source/source.ts";
import { applyStatus, RESOURCE_TYPES } from "./apply-status.ts";
import type { WrittenCondition } from "./written-status.ts";

export interface KubernetesFailuresOptions {
  readonly client: ClusterClient;
  /** The resource as it was last seen; undefined when there is none. */
  readonly kept: (key: ResourceKey) => KeptResource | undefined;
  readonly events: Pick<Events, "record">;
  readonly nowMs?: () => number;
}

/** Not the controllers': what those last said stays, and writing it takes nothing away from here. */
const FIELD_MANAGER = "heauth-reconciling";
const CONDITION = "Reconciled";
const REASON = "ReconcileFailed";

/** What we wrote last, and the version of the resource that had been seen by then. */
interface Last {
  readonly condition: WrittenCondition | undefined;
  readonly seen: string;
}

/**
 * Tells of a resource that can't be reconciled in itself: by an event, and by the condition `Reconciled`, which is there, and then is
 * `False`, only as long as that lasts.
 */
export class KubernetesFailures implements FailureSink {
  readonly #options: Required<KubernetesFailuresOptions>;
  readonly #last = new Map<string, Last>();

  constructor(options: KubernetesFailuresOptions) {
    this.#options = { nowMs: Date.now, ...options };
  }

  /** @throws ClusterError, `Conflict` where the resource has changed since it was seen */
  async failing(key: ResourceKey, why: string): Promise<void> {
    const { kept, events, nowMs } = this.#options;
    const resource = kept(key);
    if (resource === undefined) return;
    const { uid, generation } = resource.meta;
    events.record(
      { apiVersion: apiVersionOf(RESOURCE_TYPES[key.kind]), ...key, ...(uid && { uid }) },
      { type: "Warning", reason: REASON, action: "Reconcile", note: why },
    );
    const before = this.#before(key, resource);
    if (before?.message === why && before.observedGeneration === generation) return;
    const condition: WrittenCondition = {
      type: CONDITION,
      status: "False",
      reason: REASON,
      message: why,
      lastTransitionTime: before?.lastTransitionTime ?? new Date(nowMs()).toISOString().replace(/\.\d+Z$/, "Z"),
      ...(generation !== undefined && { observedGeneration: generation }),
    };
    // Another resource of the same name does not get this one's.
    await this.#write(key, resource, condition, resource.resourceVersion);
  }

  /** @throws ClusterError */
  async over(key: ResourceKey): Promise<void> {
    const resource = this.#options.kept(key);
    if (resource === undefined) this.#last.delete(keyText(key));
    // Whatever has changed meanwhile, it is to go.
    else if (this.#before(key, resource) !== undefined) await this.#write(key, resource, undefined, undefined);
  }

  /** The condition as it stands: as it was seen, or as we wrote it where that has not been seen yet. */
  #before(key: ResourceKey, { status, resourceVersion }: KeptResource): WrittenCondition | undefined {
    const last = this.#last.get(keyText(key));
    if (last?.seen === resourceVersion) return last.condition;
    const { conditions = [] } = status as { readonly conditions?: readonly WrittenCondition[] };
    return conditions.find(({ type }) => type === CONDITION);
  }

  async #write(
    key: ResourceKey,
    seen: KeptResource,
    condition: WrittenCondition | undefined,
    resourceVersion: string | undefined,
  ): Promise<void> {
    const status = { conditions: condition === undefined ? [] : [condition] };
    const made = await applyStatus(this.#options.client, key, { fieldManager: FIELD_MANAGER, status, resourceVersion });
    if (made === undefined) return;
    this.#last.set(keyText(key), { condition, seen: seen.resourceVersion });
  }
}
