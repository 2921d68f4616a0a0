import { createHmac, randomBytes } from "node:crypto";
import type { Tenant as TenantResource } from "@heauth/core/resources";
import { type Database, hastenDeliveries } from "@heauth/store";
import type { ResourceSource } from "../../source/source.ts";

export interface RepairedReceiversOptions {
  readonly database: Database;
  readonly source: Pick<ResourceSource, "secret">;
}

/**
 * Alerts whose delivery failed wait up to an hour for their next try: no longer, when the receiver or the Secret that it is signed with
 * has changed, for that may have been what was wrong.
 */
export class RepairedReceivers {
  readonly #options: RepairedReceiversOptions;
  /** Secrets are told apart without being kept. */
  readonly #key = randomBytes(32);
  /** By tenant id, then by the receiver's name: what it was like when it was last seen. */
  readonly #seen = new Map<string, ReadonlyMap<string, string>>();

  constructor(options: RepairedReceiversOptions) {
    this.#options = options;
  }

  /** To be told of a tenant after the database has its receivers. What it is like at the first time counts as no change. */
  async look(tenantId: string, resource: TenantResource): Promise<void> {
    const now = this.#likenesses(resource);
    const before = this.#seen.get(tenantId);
    const changed = [...now].filter(([name, like]) => before !== undefined && before.get(name) !== like);
    if (changed.length > 0) {
      const receivers = changed.map(([name]) => name);
      await this.#options.database.tenantTransaction(tenantId, (tx) => hastenDeliveries(tx, tenantId, receivers));
    }
    this.#seen.set(tenantId, now);
  }

  /** The tenant has ended. */
  forget(tenantId: string): void {
    this.#seen.delete(tenantId);
  }

  #likenesses({ metadata, spec }: TenantResource): ReadonlyMap<string, string> {
    return new Map(
      spec.alerts.receivers.map((receiver) => {
        const ref = receiver.webhook?.signingSecretRef;
        const reading = ref && this.#options.source.secret(metadata.name, ref);
        const like = createHmac("sha256", this.#key).update(JSON.stringify([receiver, reading?.ok]));
        return [receiver.name, like.update(reading?.ok ? reading.value : "").digest("base64url")] as const;
      }),
    );
  }
}
