import { parseCheckpoint } from "../../log/checkpoint.ts";
import { entryLeaf } from "../../log/entry.ts";
import type { StoredLedger } from "../memory-source.ts";
import { flipped, type Tampering } from "./spots.ts";

function renumber(ledger: StoredLedger): void {
  ledger.entries = ledger.entries.map((entry, index) => ({ ...entry, index }));
}

/** The first checkpoint that tells of an entry, and the size of the one before it. */
function covering(ledger: StoredLedger, index: number): { readonly index: number; readonly size: number } | undefined {
  const at = ledger.checkpoints.findIndex(({ size }) => size > index);
  const checkpoint = ledger.checkpoints[at];
  return checkpoint && { index: ledger.checkpoints[at - 1]?.size ?? 0, size: checkpoint.size };
}

const deleteEntry: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length);
  ledger.entries = ledger.entries.toSpliced(index, 1);
  return { class: "LogEntryMissing", place: { index } };
};

/** Gone without a hole: the numbers are closed up. */
const deleteEntryDeftly: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length - 1);
  ledger.entries = ledger.entries.toSpliced(index, 1);
  renumber(ledger);
  const place = covering(ledger, index);
  if (place === undefined) return undefined;
  // The last checkpoint has no log of its size any more: that one is short of an entry.
  if (place.size > ledger.entries.length) return { class: "LogEntryMissing", place: { index: ledger.entries.length } };
  return { class: "LogRootMismatch", place };
};

const doubleEntry: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length);
  const entry = ledger.entries[index];
  if (entry === undefined) return undefined;
  ledger.entries = ledger.entries.toSpliced(index, 0, entry);
  return { class: "Duplicate", place: { index } };
};

const swapEntries: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length - 1);
  const one = ledger.entries[index];
  const other = ledger.entries[index + 1];
  if (one === undefined || other === undefined) return undefined;
  ledger.entries = ledger.entries.with(index, other).with(index + 1, one);
  renumber(ledger);
  // Two entries that two checkpoints part are wrong in the first of them already.
  const place = covering(ledger, index);
  return place && { class: "LogRootMismatch", place };
};

const editLeaf: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length);
  ledger.entries = ledger.entries.map((entry) =>
    entry.index === index ? { ...entry, leaf: flipped(entry.leaf, random) } : entry,
  );
  const place = covering(ledger, index);
  return place && { class: "LogRootMismatch", place };
};

/** Block header and leaf are changed together: only the checkpoint tells. */
const editBlockAndLeaf: Tampering = (ledger, random) => {
  const blocks = ledger.entries.filter(({ row }) => row?.kind === "block");
  const entry = random.pick(blocks);
  if (entry?.row?.kind !== "block") return undefined;
  const header = Buffer.from(
    Buffer.from(entry.row.header)
      .toString()
      .replace(/"reason":"[^"]*"/, '"reason":"Evicted"'),
  );
  const row = { ...entry.row, header };
  ledger.entries = ledger.entries.with(entry.index, { ...entry, row, leaf: entryLeaf(row) });
  const place = covering(ledger, entry.index);
  return place && { class: "LogRootMismatch", place };
};

const editCheckpoint: Tampering = (ledger, random) => {
  const nth = random.below(ledger.checkpoints.length);
  const checkpoint = ledger.checkpoints[nth];
  if (checkpoint === undefined) return undefined;
  const root = Buffer.from(parseCheckpoint(checkpoint.note).root).toString("base64");
  const note = checkpoint.note.replace(root, flipped(Buffer.from(root, "base64"), random).toString("base64"));
  ledger.checkpoints = ledger.checkpoints.with(nth, { ...checkpoint, note });
  return { class: "CheckpointInvalid", place: { size: checkpoint.size } };
};

const swapCheckpoints: Tampering = (ledger, random) => {
  const nth = random.below(ledger.checkpoints.length - 1);
  const one = ledger.checkpoints[nth];
  const other = ledger.checkpoints[nth + 1];
  if (one === undefined || other === undefined) return undefined;
  ledger.checkpoints = ledger.checkpoints.with(nth, { ...one, note: other.note });
  return { class: "CheckpointInvalid", place: { size: one.size } };
};

/** Entries go, checkpoints stay. */
const cutEntries: Tampering = (ledger, random) => {
  const index = random.below(ledger.entries.length);
  ledger.entries = ledger.entries.slice(0, index);
  return { class: "LogEntryMissing", place: { index } };
};

/** Entries and their checkpoints go: only the anchor knows. */
const cutTail: Tampering = (ledger, random) => {
  const keep = random.below(ledger.checkpoints.length);
  const newest = ledger.checkpoints.at(-1);
  if (newest === undefined) return undefined;
  ledger.checkpoints = ledger.checkpoints.slice(0, keep);
  ledger.entries = ledger.entries.slice(0, ledger.checkpoints.at(-1)?.size ?? 0);
  return { class: "RolledBack", place: { anchor: true, size: newest.size } };
};

const dropNewestCheckpoint: Tampering = (ledger) => {
  const newest = ledger.checkpoints.at(-1);
  ledger.checkpoints = ledger.checkpoints.slice(0, -1);
  return newest && { class: "RolledBack", place: { anchor: true, size: newest.size } };
};

/** What can be done to the log and its checkpoints. */
export const logTamperings: Readonly<Record<string, Tampering>> = {
  deleteEntry,
  deleteEntryDeftly,
  doubleEntry,
  swapEntries,
  editLeaf,
  editBlockAndLeaf,
  editCheckpoint,
  swapCheckpoints,
  cutEntries,
  cutTail,
  dropNewestCheckpoint,
};
