import type { KeyObject } from "node:crypto";
import { type JournalHead, leafHash, MAX_SEGMENT_RECORDS, packPrivateParts, sealSegment } from "@heauth/core/ledger";
import { SidecarError } from "../errors.ts";
import type { SequencedRecord } from "../wal/stored-record.ts";
import { type HubSegment, type JournalWatermark, MAX_REQUEST_BYTES } from "./hub-journals.ts";

/** Where a journal's records come from, in order. */
export interface RecordSource {
  /** Seq behind the last record that is there. */
  readonly available: number;
  /** Seq of the journal's `journal.close`, once it has one. */
  readonly closing: number | undefined;
  /** The next records, at most 1 MiB of them; none where there are none. */
  read(mostRecords: number): Promise<SequencedRecord[]>;
}

export interface JournalChainOptions {
  tenant: string;
  journal: string;
  pod: string;
  /** The journal whose key signs, and that private key. */
  signer: string;
  key: KeyObject;
  head: JournalHead;
  source: RecordSource;
}

interface Unacknowledged {
  segment: HubSegment;
  bytes: number;
  next: JournalHead;
}

const MAX_SEGMENT_BYTES = MAX_REQUEST_BYTES / 2;
const LENGTHS_BYTES = 12;

/** A journal's records as a chain of signed segments, of which those that the hub has not acknowledged are kept as they are. */
export class JournalChain {
  readonly #options: JournalChainOptions;
  readonly #unacknowledged: Unacknowledged[] = [];
  /** Read, and not yet in a segment. */
  #read: SequencedRecord[] = [];
  #head: JournalHead;

  constructor(options: JournalChainOptions) {
    this.#options = options;
    this.#head = options.head;
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  get journal(): string {
    return this.#options.journal;
  }

  /** Whether a segment waits for the hub's acknowledgement. */
  get isUnacknowledged(): boolean {
    return this.#unacknowledged.length > 0;
  }

  /** Records that are there and in no segment yet. */
  get unsealed(): number {
    return this.#options.source.available - this.#head.seq;
  }

  /** The next request's segments: first the very bytes that were not acknowledged, then new ones of all that is there. */
  async segments(): Promise<HubSegment[]> {
    let bytes = this.#unacknowledged.reduce((sum, one) => sum + one.bytes, 0);
    while (bytes < MAX_REQUEST_BYTES) {
      const sealed = await this.#seal();
      if (sealed === undefined) break;
      this.#unacknowledged.push(sealed);
      bytes += sealed.bytes;
    }
    const fitting: HubSegment[] = [];
    let room = MAX_REQUEST_BYTES;
    for (const { segment, bytes: size } of this.#unacknowledged) {
      room -= size;
      if (room < 0 && fitting.length > 0) break;
      fitting.push(segment);
    }
    if (fitting.length === 0) throw new SidecarError("WalCorrupt", "records that were committed cannot be found");
    return fitting;
  }

  /** Takes in how far the hub is; throws HubEquivocation where that cannot come of what was sent. */
  acknowledge({ nextNumber, nextSeq }: JournalWatermark): void {
    const index = this.#unacknowledged.findIndex(({ next }) => next.number === nextNumber);
    if (index < 0) {
      const [oldest] = this.#unacknowledged;
      if (oldest !== undefined && oldest.next.number === nextNumber + 1) return; // nothing of it was committed
      throw new SidecarError("HubEquivocation", "the hub's watermark of a journal is not one that it can have");
    }
    if (this.#unacknowledged[index]?.next.seq !== nextSeq) {
      throw new SidecarError("HubEquivocation", "the hub counts a journal's records differently");
    }
    this.#unacknowledged.splice(0, index + 1);
  }

  async #seal(): Promise<Unacknowledged | undefined> {
    const taken = await this.#take();
    const last = taken.at(-1);
    if (last === undefined) return undefined;
    const { tenant, journal, pod, signer, key, source } = this.#options;
    const sealed = sealSegment({
      tenant,
      journal,
      pod,
      signer,
      key,
      head: this.#head,
      records: taken.map(({ record }) => segmentRecord(record)),
      final: last.seq === source.closing,
    });
    const { header, signature, records } = sealed;
    const privates = packPrivateParts(privateParts(taken));
    this.#head = sealed.next;
    const bytes = header.length + signature.length + records.length + privates.length;
    return { segment: { header, signature, records, privates }, bytes, next: sealed.next };
  }

  /** The next segment's records. */
  async #take(): Promise<SequencedRecord[]> {
    let bytes = this.#read.reduce((sum, one) => sum + sizeOf(one), 0);
    while (this.#read.length < MAX_SEGMENT_RECORDS && bytes < MAX_SEGMENT_BYTES) {
      const more = await this.#options.source.read(MAX_SEGMENT_RECORDS - this.#read.length);
      if (more.length === 0) break;
      for (const one of more) {
        if (one.seq !== this.#head.seq + this.#read.length) throw new SidecarError("WalCorrupt", "a record is missing");
        this.#read.push(one);
        bytes += sizeOf(one);
      }
    }
    const count = countWithin(this.#read, MAX_SEGMENT_BYTES);
    const taken = this.#read;
    this.#read = taken.splice(count);
    return taken;
  }
}

function sizeOf({ record, private: part }: SequencedRecord): number {
  return record.length + (part?.length ?? 0) + LENGTHS_BYTES;
}

function countWithin(records: readonly SequencedRecord[], most: number): number {
  let room = most;
  const over = records.findIndex((one) => {
    room -= sizeOf(one);
    return room < 0;
  });
  return over < 0 ? records.length : Math.max(1, over);
}

function segmentRecord(bytes: Uint8Array): { bytes: Uint8Array; leaf: Uint8Array; readonly at: number } {
  return {
    bytes,
    leaf: leafHash(bytes),
    // Only a segment's first and last record are asked.
    get at() {
      return (JSON.parse(Buffer.from(bytes).toString()) as { at: number }).at;
    },
  };
}

function privateParts(records: readonly SequencedRecord[]): { index: number; salted: Uint8Array }[] {
  return records.flatMap(({ private: salted }, index) => (salted === undefined ? [] : [{ index, salted }]));
}
