import {
  JOURNAL_START,
  type JournalHead,
  type LedgerRecord,
  leafHash,
  parseRecord,
  parseSegmentHeader,
  type Registration,
  sha256,
  treeHash,
  unpackPrivateParts,
  unpackRecords,
  verifyPossession,
  verifySegmentSignature,
} from "@heauth/core/ledger";
import { SidecarError } from "../../errors.ts";
import type {
  HubJournals,
  HubSegment,
  JournalRegistration,
  JournalWatermark,
  RecoveredJournal,
} from "../hub-journals.ts";

/** What goes wrong with a call: it never arrives, or its answer gets lost. */
export type HubFault = "NotReached" | "AnswerLost" | undefined;

/** A journal as the hub has it. */
export interface HubJournal {
  registration: Registration;
  head: JournalHead;
  final: boolean;
  headers: Buffer[];
  records: LedgerRecord[];
  /** Private parts by seq. */
  privates: Map<number, Buffer>;
}

/** A hub in the test's own process: it checks all that a real one would, and fails where it is told to. */
export class InMemoryHub implements HubJournals {
  readonly journals = new Map<string, HubJournal>();
  /** Segments that came again, and were the same. */
  repeated = 0;
  requests = 0;
  /** Asked before each call. */
  fault: () => HubFault | Promise<HubFault> = () => undefined;

  async lookUp({ journals }: { journals: readonly string[] }): Promise<RecoveredJournal[]> {
    if ((await this.fault()) !== undefined) throw new SidecarError("HubUnavailable", "not reached");
    return journals.flatMap((journal) => this.#standing(journal) ?? []);
  }

  #standing(journal: string): RecoveredJournal | undefined {
    const known = this.journals.get(journal);
    return known && { journal, head: known.head, final: known.final };
  }

  async register({ registration: body, possession }: JournalRegistration): Promise<RecoveredJournal[]> {
    const fault = await this.fault();
    if (fault === "NotReached") throw new SidecarError("HubUnavailable", "not reached");
    const registration = verifyPossession(body, possession);
    const recovered = (registration.recovers ?? []).flatMap((journal) => this.#standing(journal) ?? []);
    if (recovered.length < (registration.recovers ?? []).length) {
      throw new SidecarError("HubRefused", "there is no such journal to recover");
    }
    if (!this.journals.has(registration.journal)) {
      const empty = { head: JOURNAL_START, final: false, headers: [], records: [], privates: new Map() };
      this.journals.set(registration.journal, { registration, ...empty });
    }
    if (fault === "AnswerLost") throw new SidecarError("HubUnavailable", "the answer got lost");
    return recovered;
  }

  async append({
    journal: id,
    segments,
  }: {
    journal: string;
    segments: readonly HubSegment[];
  }): Promise<JournalWatermark> {
    this.requests++;
    const fault = await this.fault();
    if (fault === "NotReached") throw new SidecarError("HubUnavailable", "not reached");
    const journal = this.journals.get(id);
    if (journal === undefined) throw new SidecarError("HubRefused", "no such journal");
    for (const segment of segments) this.#commit(id, journal, segment);
    if (fault === "AnswerLost") throw new SidecarError("HubUnavailable", "the answer got lost");
    return { nextNumber: journal.head.number, nextSeq: journal.head.seq };
  }

  /** All committed records, of all journals. */
  records(): LedgerRecord[] {
    return [...this.journals.values()].flatMap(({ records }) => records);
  }

  #commit(id: string, journal: HubJournal, segment: HubSegment): void {
    const bytes = Buffer.from(segment.header);
    const header = parseSegmentHeader(bytes);
    const { head } = journal;
    if (header.number < head.number) {
      if (!journal.headers[header.number]?.equals(bytes)) throw new SidecarError("HubEquivocation", "another header");
      this.repeated++;
      return;
    }
    const records = unpackRecords(segment.records);
    const signer = this.journals.get(header.signer);
    const maySign = header.signer === id || signer?.registration.recovers?.includes(id) === true;
    const key = Buffer.from(signer?.registration.key ?? "", "base64url");
    const previous = head.previous && Buffer.from(head.previous).toString("base64url");
    const isGood =
      !journal.final &&
      maySign &&
      verifySegmentSignature(bytes, segment.signature, key) &&
      header.journal === id &&
      header.number === head.number &&
      header.first === head.seq &&
      header.previous === previous &&
      header.count === records.length &&
      header.root === Buffer.from(treeHash(records.map(leafHash))).toString("base64url");
    if (!isGood) throw new SidecarError("HubRefused", "a segment is not what it says");
    const parsed = records.map((record) => parseRecord(record));
    parsed.forEach((record, index) => {
      if (record.id !== `${id}/${head.seq + index}`) throw new SidecarError("HubRefused", "a record is out of place");
    });
    if ((header.final === true) !== (parsed.at(-1)?.type === "journal.close")) {
      throw new SidecarError("HubRefused", "final is not as it should be");
    }
    for (const { index, salted } of unpackPrivateParts(segment.privates)) {
      if (parsed[index]?.private !== sha256(salted).toString("base64url")) {
        throw new SidecarError("HubRefused", "a private part does not fit");
      }
      journal.privates.set(head.seq + index, Buffer.from(salted));
    }
    journal.records.push(...parsed);
    journal.headers.push(bytes);
    journal.final = header.final === true;
    journal.head = { number: head.number + 1, seq: head.seq + records.length, previous: sha256(bytes) };
  }
}
