import {
  countersignRegistration,
  LedgerError,
  type ProgramSigner,
  parseRegistration,
  type Registration,
  registrarOf,
} from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { LedgerStoreError } from "./errors.ts";
import { readJournalHead, readRegistrations, type StoredJournalHead } from "./journals.ts";

/** A journal that a new one recovers, and where the store has it. */
export interface RecoveredJournal extends StoredJournalHead {
  readonly journal: string;
}

export interface RegisteredJournal {
  readonly countersignature: Buffer;
  /** In the order of the registration's `recovers`. */
  readonly recovered: readonly RecoveredJournal[];
}

/**
 * Opens a journal: countersigns its registration, stores it and queues it for the log. The same registration again gives the same
 * answer. Who may open a journal of that tenant and pod is for the caller to know.
 * @param registrar the program that vouches for the journal: the hub for sidecars, else the journal's own
 * @throws LedgerStoreError RegistrationRefused, JournalUnknown (one to recover), Equivocation (the journal is registered otherwise)
 */
export async function registerJournal(
  tx: Tx,
  tenantId: string,
  registration: { readonly body: Uint8Array; readonly possession: Uint8Array },
  registrar: ProgramSigner & { readonly program: string },
): Promise<RegisteredJournal> {
  const { body, possession } = registration;
  const { parsed, countersignature } = countersign(body, possession, registrar);
  if (parsed.tenant !== tenantId) refuse("it names another tenant");
  if (registrarOf(parsed.program) !== registrar.program) refuse(`${registrar.program} can't vouch for that program`);
  const recovered = await recoverable(tx, parsed);

  const inserted = await tx.query(
    `INSERT INTO journal (tenant_id, id, registration, possession, countersignature, program, pod)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id`,
    [tenantId, parsed.journal, body, possession, countersignature, parsed.program, parsed.pod],
  );
  if (inserted.length === 0) return { countersignature: await storedBefore(tx, parsed, body), recovered };

  await tx.query("INSERT INTO journal_head (tenant_id, journal_id) VALUES ($1, $2)", [tenantId, parsed.journal]);
  await tx.query("INSERT INTO seal_queue (tenant_id, kind, journal_id) VALUES ($1, 'registration', $2)", [
    tenantId,
    parsed.journal,
  ]);
  return { countersignature, recovered };
}

function countersign(
  body: Uint8Array,
  possession: Uint8Array,
  registrar: ProgramSigner,
): { parsed: Registration; countersignature: Buffer } {
  try {
    const countersignature = Buffer.from(countersignRegistration(body, possession, registrar));
    return { parsed: parseRegistration(body), countersignature };
  } catch (error) {
    if (error instanceof LedgerError) refuse(error.message, error);
    throw error;
  }
}

/** A pod may finish what ended processes of its own left, and nobody else's. */
async function recoverable(tx: Tx, parsed: Registration): Promise<RecoveredJournal[]> {
  const recovers = parsed.recovers ?? [];
  if (recovers.length === 0) return [];
  const known = await readRegistrations(tx, parsed.tenant, recovers);
  const recovered: RecoveredJournal[] = [];
  for (const journal of recovers) {
    const old = known.get(journal);
    const stands = await readJournalHead(tx, parsed.tenant, journal);
    if (old === undefined || stands === undefined) {
      throw new LedgerStoreError("JournalUnknown", `registration: there is no journal ${journal} to recover`);
    }
    if (old.pod !== parsed.pod || old.program !== parsed.program) refuse("it recovers another pod's journal");
    recovered.push({ journal, ...stands });
  }
  return recovered;
}

async function storedBefore(tx: Tx, parsed: Registration, body: Uint8Array): Promise<Buffer> {
  const [stored] = await tx.query<{ registration: Buffer; countersignature: Buffer }>(
    "SELECT registration, countersignature FROM journal WHERE tenant_id = $1 AND id = $2",
    [parsed.tenant, parsed.journal],
  );
  if (stored === undefined || !stored.registration.equals(body)) {
    throw new LedgerStoreError("Equivocation", `journal ${parsed.journal} is registered with other content`);
  }
  return stored.countersignature;
}

function refuse(problem: string, cause?: unknown): never {
  throw new LedgerStoreError("RegistrationRefused", `registration refused: ${problem}`, { cause });
}
