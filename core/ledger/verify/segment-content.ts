import { LedgerError } from "../errors.ts";
import { leafHash, sameBytes } from "../hash.ts";
import { unpackRecords } from "../record/pack.ts";
import { parseRecord } from "../record/parse.ts";
import type { LedgerRecord } from "../record/types.ts";
import { treeHash } from "../tree.ts";
import type { Context, Standing } from "./context.ts";
import { diagnose, type PresentRecord } from "./diagnosis.ts";
import type { PlacedSegment } from "./header-check.ts";
import type { StoredSegment } from "./source.ts";

/** A record of a segment: its authentic leaf, and its fields unless its bytes were altered. */
export type ContentRecord = {
  readonly seq: number;
  readonly leaf: Uint8Array;
  readonly record: LedgerRecord | undefined;
};

function read(bytes: Uint8Array): PresentRecord {
  const leaf = leafHash(bytes);
  try {
    return { leaf, record: parseRecord(bytes), fault: undefined };
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return { leaf, record: undefined, fault: error.message };
  }
}

/** The leaves that the segment's session rows tell of, when they have the signed root: then they are the authentic ones. */
function indexedLeaves(row: StoredSegment, root: Uint8Array, count: number): Uint8Array[] | undefined {
  const leaves = new Array<Uint8Array | undefined>(count).fill(undefined);
  for (const { positions, leaves: packed } of row.sessions) {
    positions.forEach((position, nth) => {
      leaves[position] = packed.subarray(nth * 32, nth * 32 + 32);
    });
  }
  if (leaves.length !== count || !leaves.every((leaf) => leaf?.length === 32)) return undefined;
  return sameBytes(treeHash(leaves as Uint8Array[]), root) ? (leaves as Uint8Array[]) : undefined;
}

/**
 * Reads a segment's records and holds them against the header's root. Where they don't match, what was done to them is
 * reported as exactly as can be told, and the authentic leaves are taken from the session rows if these still have the root.
 * Undefined when no authentic leaves can be had; the damage is marked.
 */
export function readContent(
  context: Context,
  row: StoredSegment,
  { header, sound }: PlacedSegment,
  standing: Standing,
): ContentRecord[] | undefined {
  const { report, damage } = context;
  const { journal, number, first, count } = header;
  const root = Buffer.from(header.root, "base64url");
  let packed: Buffer[] | undefined;
  try {
    packed = unpackRecords(row.records);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    report.found("RecordAltered", { index: standing.index, journal, number, seq: first }, error.message);
  }
  const present = packed?.map(read) ?? [];
  const place = { index: standing.index, journal, number };
  if (present.length === count && sameBytes(treeHash(present.map(({ leaf }) => leaf)), root)) {
    return present.map(({ leaf, record, fault }, index) => {
      if (fault !== undefined) report.found("RecordAltered", { ...place, seq: first + index }, fault);
      return { seq: first + index, leaf, record };
    });
  }
  const authentic = indexedLeaves(row, root, count);
  // With an altered header it is not said which of the two is wrong; the header was reported.
  if (packed !== undefined && sound) {
    for (const { class: kind, seq, message } of diagnose({ journal, first, count, present, authentic })) {
      report.found(kind, { ...place, seq }, message);
    }
  }
  if (authentic === undefined) {
    damage.mark(journal, number);
    return undefined;
  }
  return authentic.map((leaf, index) => ({
    seq: first + index,
    leaf,
    record: present.find((other) => sameBytes(other.leaf, leaf))?.record,
  }));
}
