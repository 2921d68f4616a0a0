import { isDeepStrictEqual } from "node:util";
import type { Logger } from "@heauth/program";
import { apiVersionOf, type ClusterClient } from "@heauth/program/kubernetes";
import type { Events } from "../runtime/events.ts";
import type { KeptResource } from "../source/kubernetes/kept-resource.ts";
import { type Kind, keyText, type ResourceKey, resourceName } from "../source/source.ts";
import { applyStatus, RESOURCE_TYPES } from "./apply-status.ts";
import { CONDITION_TYPES, type Condition, type ResourceStatus, type StatusSink } from "./condition.ts";
import { isGood, tellCondition } from "./tell-condition.ts";
import { type WrittenStatus, writtenStatus } from "./written-status.ts";

export interface KubernetesStatusOptions {
  readonly client: ClusterClient;
  /** The resource as it was last seen; undefined when there is none. */
  readonly kept: (key: ResourceKey) => KeptResource | undefined;
  readonly events: Pick<Events, "record">;
  readonly log: Logger;
  readonly nowMs?: () => number;
}

const FIELD_MANAGERS: Readonly<Record<Kind, string>> = { Tenant: "heauth-tenant", AuthPolicy: "heauth-auth-policy" };

/** The fields that the controllers write; others (the ledger's anchor) are somebody else's. */
const OURS = ["tenantId", "policyDigest", "pods", "observedGeneration"] as const;

/** What we wrote last, as long as the resource has not been seen again since. */
interface Last {
  readonly status: WrittenStatus;
  /** The version that had been seen when it was written, and the one that this made. */
  readonly seen: string;
  readonly made: string;
}

/** Statuses in the resources themselves: written only where something differs, by server-side apply. */
export class KubernetesStatus implements StatusSink {
  readonly #options: Required<KubernetesStatusOptions>;
  readonly #last = new Map<string, Last>();

  constructor(options: KubernetesStatusOptions) {
    this.#options = { nowMs: Date.now, ...options };
  }

  /** A resource that is gone meanwhile is no error. @throws ClusterError, `Conflict` where the resource has changed since it was seen */
  async report(key: ResourceKey, said: ResourceStatus): Promise<void> {
    const { client, kept, nowMs } = this.#options;
    const resource = kept(key);
    if (resource === undefined) return;
    // It has changed since it was looked at: whoever reconciles that, which need not be this process, says what is so then.
    if ((said.observedGeneration ?? 0) < (resource.meta.generation ?? 0)) return;
    const last = this.#last.get(keyText(key));
    const unseen = last?.seen === resource.resourceVersion ? last : undefined;
    // The status as it stands: what was seen, or what we wrote where that has not been seen yet.
    const before: Readonly<Record<string, unknown>> = unseen === undefined ? resource.status : { ...unseen.status };
    // A tenant's id stays, also where this time there is nothing to be said of it.
    const { tenantId } = before as { readonly tenantId?: string };
    const { status, changed } = writtenStatus({ ...(tenantId && { tenantId }), ...said }, before, nowMs());
    if (isDeepStrictEqual(ours({ ...status }), ours(before))) return;

    const fieldManager = FIELD_MANAGERS[key.kind];
    const resourceVersion = unseen?.made ?? resource.resourceVersion;
    const made = await applyStatus(client, key, { fieldManager, status, resourceVersion });
    if (made === undefined) return;
    this.#last.set(keyText(key), { status, seen: resource.resourceVersion, made });
    for (const condition of changed) this.#tell(key, resource, before, condition);
  }

  async forget(key: ResourceKey): Promise<void> {
    if (this.#last.delete(keyText(key)))
      this.#options.log.info({ resource: resourceName(key) }, "the resource is gone");
  }

  #tell(
    key: ResourceKey,
    { meta }: KeptResource,
    before: Readonly<Record<string, unknown>>,
    condition: Condition,
  ): void {
    tellCondition(this.#options.log, key, condition);
    const { type, status, reason, message } = condition;
    const old = (before["conditions"] as WrittenStatus["conditions"] | undefined)?.find((each) => each.type === type);
    if (old?.status === status && old.reason === reason) return;
    this.#options.events.record(
      { apiVersion: apiVersionOf(RESOURCE_TYPES[key.kind]), ...key, ...(meta.uid && { uid: meta.uid }) },
      {
        type: isGood(condition) ? "Normal" : "Warning",
        reason,
        action: "Reconcile",
        note: message === "" ? `${type} is ${status}` : `${type} is ${status}: ${message}`,
      },
    );
  }
}

/** What the controllers write of a status, in an order of its own, as it looks when it has been to the API server and back. */
function ours(status: Readonly<Record<string, unknown>>): unknown {
  const { conditions } = status as { conditions?: WrittenStatus["conditions"] };
  const known = (conditions ?? []).filter(({ type }) => (CONDITION_TYPES as readonly string[]).includes(type));
  const sorted = known.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  const fields = Object.fromEntries(OURS.map((field) => [field, status[field]]));
  return JSON.parse(JSON.stringify({ ...fields, conditions: sorted }));
}
