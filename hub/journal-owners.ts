import { isUuid } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import { giveJournals, type JournalOwner, journalOwner, type Tx } from "@heauth/store";
import { LRUCache } from "lru-cache";
import { type Caller, podOf } from "./callers.ts";
import { denied, malformed } from "./refusals.ts";

/** Owners that are remembered. */
const MAX_KNOWN = 10_000;

/** Keeps sidecars from each other's journals: also from those of an earlier pod of their own name. */
export interface JournalOwners {
  /** @throws CallError when the tenant's journal is registered, and not the caller's pod's */
  checkNew(tx: Tx, caller: Caller, tenantId: string, journalId: string): Promise<void>;
  /** @throws CallError when the tenant's journal is not one of the caller's pod */
  check(tx: Tx, caller: Caller, tenantId: string, journalId: string): Promise<void>;
  /**
   * The journals, just registered or recovered in this transaction, are the caller's from now on. A name is one pod's at a time: whoever
   * had it before is gone.
   */
  give(tx: Tx, caller: Caller, tenantId: string, journalIds: readonly string[]): Promise<void>;
}

export function createJournalOwners(): JournalOwners {
  const owners = new LRUCache<string, JournalOwner>({ max: MAX_KNOWN });

  async function read(tx: Tx, tenantId: string, journalId: string): Promise<JournalOwner> {
    const owner = await journalOwner(tx, tenantId, journalId);
    if (owner === undefined) throw new CallError("FAILED_PRECONDITION", `no journal ${journalId} is registered`);
    owners.set(`${tenantId}/${journalId}`, owner);
    return owner;
  }

  return {
    async checkNew(tx, caller, tenantId, journalId) {
      const owner = await journalOwner(tx, tenantId, journalId);
      if (owner !== undefined && !isOwner(owner, caller)) throw denied(`journal ${journalId}`);
    },
    async check(tx, caller, tenantId, journalId) {
      if (!isUuid(journalId)) throw malformed("the journal's id is no UUID");
      const known = owners.get(`${tenantId}/${journalId}`);
      if (known !== undefined && isOwner(known, caller)) return;
      // Another hub may have given it to the caller since.
      if (!isOwner(await read(tx, tenantId, journalId), caller)) throw denied(`journal ${journalId}`);
    },
    async give(tx, { uid = null }, tenantId, journalIds) {
      await giveJournals(tx, tenantId, journalIds, uid);
      for (const journalId of journalIds) owners.delete(`${tenantId}/${journalId}`);
    },
  };
}

function isOwner({ program, pod, podUid }: JournalOwner, caller: Caller): boolean {
  return program === "sidecar" && pod === podOf(caller) && podUid === (caller.uid ?? null);
}
