import type { KeyObject } from "node:crypto";
import { buildRegistration, signPossession } from "@heauth/core/ledger";
import { askHub, type OnRetry } from "./ask-hub.ts";
import type { HubJournals, RecoveredJournal } from "./hub-journals.ts";
import type { JournalOwner } from "./journal-options.ts";

/** The most journals that a registration lists. */
const MAX_RECOVERS = 1024;

export interface NewJournal {
  owner: JournalOwner;
  journal: string;
  /** Its private key. */
  key: KeyObject;
  /** µs. */
  opened: number;
  /** Journals of ended processes that it is to sign for; the oldest where there are too many. */
  recovers: readonly string[];
}

/** Has the hub countersign and commit a journal's registration, for as long as that takes; answers where the recovered ones stand. */
export function registerJournal(
  hub: Pick<HubJournals, "register">,
  { owner, journal, key, opened, recovers }: NewJournal,
  signal: AbortSignal,
  onRetry: OnRetry,
): Promise<readonly RecoveredJournal[]> {
  const { tenant, pod, registrar } = owner;
  const listed = recovers.slice(0, MAX_RECOVERS);
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
