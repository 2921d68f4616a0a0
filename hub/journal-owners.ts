import { isUuid } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import { journalOwner, type Tx } from "@heauth/store";
import { type Caller, podOf } from "./callers.ts";
import { denied, malformed } from "./refusals.ts";

/** Owners that are remembered; they never change. */
const MAX_KNOWN = 10_000;

/** Keeps sidecars from each other's journals. */
export interface JournalOwners {
  /** @throws CallError when the tenant's journal is not one of the caller's pod */
  check(tx: Tx, caller: Caller, tenantId: string, journalId: string): Promise<void>;
}

export function createJournalOwners(): JournalOwners {
  const pods = new Map<string, string | null>();

  async function podOfJournal(tx: Tx, tenantId: string, journalId: string): Promise<string | null> {
    const key = `${tenantId}/${journalId}`;
    const known = pods.get(key);
    if (known !== undefined) return known;
    const owner = await journalOwner(tx, tenantId, journalId);
    if (owner === undefined) throw new CallError("FAILED_PRECONDITION", `no journal ${journalId} is registered`);
    const pod = owner.program === "sidecar" ? owner.pod : null;
    if (pods.size >= MAX_KNOWN) pods.clear();
    pods.set(key, pod);
    return pod;
  }

  return {
    async check(tx, caller, tenantId, journalId) {
      if (!isUuid(journalId)) throw malformed("the journal's id is no UUID");
      if ((await podOfJournal(tx, tenantId, journalId)) !== podOf(caller)) throw denied(`journal ${journalId}`);
    },
  };
}
