import type { Logger } from "@heauth/program";
import type { StoredTenant } from "@heauth/store";
import type { ResourceSource } from "../../source/source.ts";
import { OK, type Reconciled } from "../outcome.ts";
import { type EndTenantParts, endStored, retainAnchor } from "./end-tenant.ts";

export interface RemovalsOptions extends EndTenantParts {
  readonly source: ResourceSource;
  readonly log: Logger;
}

/** Files are replaced by taking them away first: so long one must be gone before that counts. */
const GONE_FOR_MS = 2_000;
/** While something can't be read, so often it is looked whether it is what is missing. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Ends tenants whose resource is not there any more without having been seen going: a file that was removed, or one whose finalizer
 * was taken off by force. Data is deleted only if `Delete` is what it said and if this very process has seen the file before it went:
 * a folder that was mistaken for another must not cost anybody's data.
 */
export class Removals {
  readonly #options: RemovalsOptions;
  readonly #present = new Set<string>();
  /** ms, of the monotonic clock. */
  readonly #goneSince = new Map<string, number>();

  constructor(options: RemovalsOptions) {
    this.#options = options;
  }

  /** The resource is there. */
  seen(name: string): void {
    this.#present.add(name);
    this.#goneSince.delete(name);
  }

  /** The resource is not there. */
  async settle(name: string, stored: StoredTenant | undefined): Promise<Reconciled> {
    if (stored === undefined || stored.managedBy === "API") return OK;
    // Its deletion has begun.
    if (stored.deleted) {
      if (stored.reclaimPolicy === "Delete") await endStored(this.#options, stored, "Delete");
      return OK;
    }
    const { source } = this.#options;
    if (source.incomplete === true) return { ...OK, requeue: { requeueAfterMs: LOOK_AGAIN_MS } };
    const waitMs = source.setFinalizer === undefined ? this.#stillToWaitMs(name) : 0;
    if (waitMs > 0) return { ...OK, requeue: { requeueAfterMs: waitMs } };
    await this.#end(name, stored);
    this.#present.delete(name);
    this.#goneSince.delete(name);
    return OK;
  }

  #stillToWaitMs(name: string): number {
    if (!this.#present.has(name)) return 0;
    const now = performance.now();
    const since = this.#goneSince.get(name) ?? now;
    this.#goneSince.set(name, since);
    return Math.max(0, Math.ceil(since + GONE_FOR_MS - now));
  }

  async #end(name: string, stored: StoredTenant): Promise<void> {
    const { source, log } = this.#options;
    const tenant = { tenant: stored.id, name };
    if (source.setFinalizer !== undefined) {
      log.warn(tenant, "the Tenant is gone without its finalizer: its data is retained");
      await retainAnchor(this.#options, stored);
      return await endStored(this.#options, stored, "Retain");
    }
    if (stored.reclaimPolicy === "Delete" && this.#present.has(name)) {
      log.warn(tenant, "the Tenant's file was removed: its data is deleted, as its reclaim policy says");
      return await endStored(this.#options, stored, "Delete");
    }
    const kept = "the Tenant's file was removed: its sessions are revoked, its data is retained";
    const unseen = `${kept}, for it was removed while nobody looked; to delete it, put the file back and remove it again`;
    log.info(tenant, stored.reclaimPolicy === "Delete" ? unseen : kept);
    await endStored(this.#options, stored, "Retain");
  }
}
