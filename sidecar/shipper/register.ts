import type { KeyObject } from "node:crypto";
import { buildRegistration, signPossession } from "@heauth/core/ledger";
import { askHub, type OnRetry } from "./ask-hub.ts";
import type { HubJournals, RecoveredJournal } from "./hub-journals.ts";
import type { JournalOwner } from "./journal-options.ts";

export interface NewJournal {
  owner: JournalOwner;
  journal: string;
  /** Its private key. */
  key: KeyObject;
  /** µs. */
  opened: number;
  /** Journals of ended processes that it is to sign for; at most MAX_RECOVERS. */
  recovers: readonly string[];
}

/**
 * Has the hub countersign and commit a journal's registration, for as long as that takes; answers where the recovered ones stand.
 * A process may have ended before its journal was registered: of such a one there is nothing to recover.
 */
export async function registerJournal(
  hub: Pick<HubJournals, "lookUp" | "register">,
  { owner, journal, key, opened, recovers }: NewJournal,
  signal: AbortSignal,
  onRetry: OnRetry,
): Promise<readonly RecoveredJournal[]> {
  const { tenant, pod, registrar } = owner;
  const known =
    recovers.length === 0
      ? []
      : await askHub(() => hub.lookUp({ tenant, journals: recovers }, signal), signal, onRetry);
  const listed = known.map((stands) => stands.journal);
  const registration = buildRegistration({
    tenant,
    journal,
    key,
    program: "sidecar",
    pod,
    opened,
    registrar,
    ...(listed.length === 0 ? {} : { recovers: listed }),
  });
  const possession = signPossession(registration, key);
  return askHub(() => hub.register({ registration, possession }, signal), signal, onRetry);
}
