import { splitRecordId } from "../record/parse.ts";
import type { LedgerRecord } from "../record/types.ts";
import type { FindingClass } from "./verdict.ts";

/** A record as it was found in a segment's row. */
export type PresentRecord = {
  readonly leaf: Uint8Array;
  readonly record: LedgerRecord | undefined;
  /** why it is not a record */
  readonly fault: string | undefined;
};

/** A segment whose records do not have the signed root. */
export type WrongSegment = {
  readonly journal: string;
  readonly first: number;
  readonly count: number;
  readonly present: readonly PresentRecord[];
  /** the leaves that were signed, when they are known */
  readonly authentic: readonly Uint8Array[] | undefined;
};

/** What was done to a record; without seq it can only be said of the segment. */
export type Diagnosis = {
  readonly class: Extract<
    FindingClass,
    "RecordAltered" | "RecordMisplaced" | "NumberGap" | "Duplicate" | "Equivocation" | "Reordered"
  >;
  readonly seq?: number;
  readonly message: string;
};

const hex = (leaf: Uint8Array): string => Buffer.from(leaf).toString("hex");

/**
 * Tells what was done to a segment's records: altered, deleted, inserted, doubled, put in another order. Known leaves tell it
 * exactly; without them the records' own ids do, as far as they go.
 */
export function diagnose(segment: WrongSegment): Diagnosis[] {
  const { journal, first, count, present, authentic } = segment;
  const inPlace = present.length === count;
  const found: Diagnosis[] = [];
  const bySeq = new Map<number, string>();
  const order: number[] = [];
  const signed = new Map(authentic?.map((leaf, index) => [hex(leaf), first + index]));
  const intact = new Set<number>();
  for (const { leaf } of present) {
    const seq = signed.get(hex(leaf));
    if (seq !== undefined) intact.add(seq);
  }

  present.forEach(({ leaf, record, fault }, index) => {
    const key = hex(leaf);
    const id = record === undefined ? undefined : splitRecordId(record.id);
    const own = id?.journal === journal && id.seq >= first && id.seq < first + count ? id.seq : undefined;
    const seq = signed.get(key) ?? own;
    if (seq === undefined) {
      // It says no place of this segment: what stood here was altered, or it was put in.
      const here = first + index;
      if (inPlace && !intact.has(here)) {
        bySeq.set(here, key);
        order.push(here);
        found.push({ class: "RecordAltered", seq: here, message: fault ?? "its id is not this place's" });
      } else {
        found.push({ class: "RecordMisplaced", message: fault ?? "a record that has no place in this segment" });
      }
      return;
    }
    const before = bySeq.get(seq);
    if (before !== undefined) {
      const same = before === key;
      const message = same ? "the record is there twice" : "another record has the same id";
      found.push({ class: same ? "Duplicate" : "Equivocation", seq, message });
      return;
    }
    bySeq.set(seq, key);
    order.push(seq);
    if (authentic !== undefined && !signed.has(key) && !intact.has(seq)) {
      found.push({ class: "RecordAltered", seq, message: "its bytes are not those that were signed" });
    } else if (authentic !== undefined && !signed.has(key)) {
      found.push({ class: "Equivocation", seq, message: "another record has the same id" });
    }
  });

  for (let seq = first; seq < first + count; seq++) {
    if (!bySeq.has(seq)) found.push({ class: "NumberGap", seq, message: "the record is missing" });
  }
  const outOfOrder = order.find((seq, index) => index > 0 && seq < (order[index - 1] ?? 0));
  if (outOfOrder !== undefined) {
    found.push({ class: "Reordered", seq: outOfOrder, message: "the record comes after later ones" });
  }
  if (found.length > 0) return found;
  return [
    { class: "RecordAltered", message: `one of the records ${first} to ${first + count - 1} is not the one signed` },
  ];
}
