import { generateKeyPairSync } from "node:crypto";
import { JournalSequence } from "../journal/sequence.ts";
import type { ProgramSigner } from "../keys.ts";
import type { EncodedRecord } from "../record/encode.ts";
import { buildRegistration, signPossession } from "../registration.ts";
import { JOURNAL_START, type JournalHead, type SealedSegment, sealSegment } from "../segment.ts";
import { sessionParts } from "../session-parts.ts";
import type { StoredRegistration, StoredSegment } from "../verify/source.ts";
import type { TestLedger } from "./test-ledger.ts";

/** A journal whose keeper does not keep to the rules. */
export class RogueJournal {
  readonly id: string;
  readonly #tenant: string;
  readonly #key = generateKeyPairSync("ed25519").privateKey;
  readonly sequence: JournalSequence;
  head: JournalHead = JOURNAL_START;

  constructor(ledger: TestLedger) {
    this.id = ledger.uuid();
    this.#tenant = ledger.tenant;
    this.sequence = new JournalSequence({ tenant: this.#tenant, journal: this.id });
  }

  registration(
    registrar: ProgramSigner,
    fields: { program?: "sidecar" | "identity"; pod?: string; recovers?: string[] } = {},
    signer = registrar,
  ): StoredRegistration {
    const named = { tenant: this.#tenant, journal: this.id, program: fields.program ?? "sidecar", opened: 1 } as const;
    const { program: _, ...rest } = fields;
    const body = buildRegistration({ ...named, ...rest, key: this.#key, registrar: registrar.id });
    const possession = signPossession(body, this.#key);
    const countersignature = signer.sign("registration", body);
    return { kind: "registration", journal: this.id, body, possession, countersignature };
  }

  segment(
    records: readonly EncodedRecord[],
    of: { journal?: string; head?: JournalHead; final?: boolean } = {},
  ): StoredSegment {
    const journal = of.journal ?? this.id;
    const sealed: SealedSegment = sealSegment({
      tenant: this.#tenant,
      journal,
      signer: this.id,
      key: this.#key,
      head: of.head ?? this.head,
      records,
      final: of.final ?? false,
    });
    if (journal === this.id) this.head = sealed.next;
    const { number, header, signature } = sealed;
    return {
      kind: "segment",
      journal,
      number,
      header,
      signature,
      records: sealed.records,
      sessions: sessionParts(records),
    };
  }

  open(): EncodedRecord {
    return this.sequence.append({ type: "journal.open", at: 1, source: "sidecar" });
  }
}
