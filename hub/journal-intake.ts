import type { ProgramKey } from "@heauth/core/keys";
import { LedgerError, parseRegistration, type Registration } from "@heauth/core/ledger";
import { isUuid } from "@heauth/program";
import type { HubHandlers } from "@heauth/protocol";
import { type Database, insertSegments, journalsOfPod, type RecoveredJournal, registerJournal } from "@heauth/store";
import { type Caller, podOf } from "./callers.ts";
import type { JournalOwners } from "./journal-owners.ts";
import { denied, malformed } from "./refusals.ts";

type LookUpRequest = Parameters<HubHandlers["lookUpJournals"]>[0];
type LookUpResponse = Awaited<ReturnType<HubHandlers["lookUpJournals"]>>;
type RegisterRequest = Parameters<HubHandlers["registerJournal"]>[0];
type RegisterResponse = Awaited<ReturnType<HubHandlers["registerJournal"]>>;
type AppendRequest = Parameters<HubHandlers["appendSegments"]>[0];
type AppendResponse = Awaited<ReturnType<HubHandlers["appendSegments"]>>;

/** A caller, and the ids of the tenants whose policies it is served. */
export interface Served {
  readonly caller: Caller;
  readonly tenants: ReadonlySet<string>;
}

const MAX_JOURNALS = 1024;

/**
 * Where journals of the caller's own pod stand; others are left out.
 * @throws CallError
 */
export async function standing(
  database: Database,
  { tenant, journals }: LookUpRequest,
  caller: Caller,
): Promise<LookUpResponse> {
  if (journals.length > MAX_JOURNALS) throw malformed(`at most ${MAX_JOURNALS} journals at a time`);
  if (!isUuid(tenant) || !journals.every(isUuid)) throw malformed("an id is no UUID");
  const found = await database.tenantTransaction(tenant, (tx) => journalsOfPod(tx, tenant, podOf(caller), journals));
  return { journals: found.map(headOf) };
}

/**
 * Opens a journal of the caller's own pod, for a tenant of its policies; the answer comes after the commit.
 * @throws CallError, LedgerStoreError
 */
export async function register(
  database: Database,
  hubKey: ProgramKey,
  owners: JournalOwners,
  { registration: body, possession }: RegisterRequest,
  { caller, tenants }: Served,
): Promise<RegisterResponse> {
  const { tenant, journal, program, pod, recovers = [] } = registrationOf(body);
  if (!tenants.has(tenant)) throw denied(`tenant ${tenant}`);
  if (program !== "sidecar" || pod !== podOf(caller)) throw denied("the journal's pod");
  const { countersignature, recovered } = await database.tenantTransaction(tenant, async (tx) => {
    await owners.checkNew(tx, caller, tenant, journal);
    const registered = await registerJournal(tx, tenant, { body, possession }, hubKey);
    await owners.give(tx, caller, tenant, [journal, ...recovers]);
    return registered;
  });
  return { countersignature, recovered: recovered.map(headOf) };
}

/**
 * Takes in the next segments of a journal of the caller's own pod, also when its policy has gone meanwhile; the answer comes after
 * the commit.
 * @throws CallError, LedgerStoreError
 */
export async function append(
  database: Database,
  owners: JournalOwners,
  { tenant, journal, segments }: AppendRequest,
  caller: Caller,
): Promise<AppendResponse> {
  if (!isUuid(tenant)) throw malformed("the tenant's id is no UUID");
  const head = await database.tenantTransaction(tenant, async (tx) => {
    await owners.check(tx, caller, tenant, journal);
    return insertSegments(tx, tenant, journal, segments);
  });
  return { nextNumber: BigInt(head.number), nextSeq: BigInt(head.seq) };
}

function headOf({ journal, final, head: { number, seq, previous } }: RecoveredJournal) {
  const place = { journal, final, nextNumber: BigInt(number), nextSeq: BigInt(seq) };
  return previous === undefined ? place : { ...place, previous };
}

function registrationOf(body: Uint8Array): Registration {
  try {
    return parseRegistration(body);
  } catch (error) {
    if (error instanceof LedgerError) throw malformed("the registration can't be read");
    throw error;
  }
}
