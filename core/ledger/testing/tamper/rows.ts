import type { BlockColumns, SessionColumns, StoredSessionPart } from "../../verify/source.ts";
import { flipped, pickRow, replaceRow, type Tampering } from "./spots.ts";

const editSegmentHeader: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "segment");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  replaceRow(ledger, index, { ...row, header: flipped(row.header, random) });
  return { class: "HeaderAltered", place: { index, journal: row.journal, number: row.number } };
};

/** The header stays well-formed: it only says that it was closed later. */
const editSegmentHeaderDeftly: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "segment");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const text = Buffer.from(row.header)
    .toString()
    .replace(/"closed":1/, '"closed":2');
  replaceRow(ledger, index, { ...row, header: Buffer.from(text) });
  return { class: "HeaderAltered", place: { index, journal: row.journal, number: row.number } };
};

const editSegmentSignature: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "segment");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  replaceRow(ledger, index, { ...row, signature: flipped(row.signature, random) });
  return { class: "HeaderAltered", place: { index, journal: row.journal, number: row.number } };
};

/** Two segments of one journal change places. */
const swapSegments: Tampering = (ledger, random) => {
  const one = pickRow(ledger, random, "segment");
  const other = pickRow(ledger, random, "segment", ({ journal }) => journal === one?.row.journal);
  if (one === undefined || other === undefined || one.index === other.index) return undefined;
  replaceRow(ledger, one.index, other.row);
  replaceRow(ledger, other.index, one.row);
  const [earlier, later] = one.index < other.index ? [one, other] : [other, one];
  return { class: "Reordered", place: { index: later.index, journal: one.row.journal, number: earlier.row.number } };
};

const deleteSegment: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "segment");
  if (picked === undefined) return undefined;
  replaceRow(ledger, picked.index, undefined);
  return { class: "LogEntryMissing", place: { index: picked.index } };
};

const editBlock: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "block");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  replaceRow(ledger, index, { ...row, header: flipped(row.header, random) });
  return { class: "BlockAltered", place: { index, block: row.number, session: row.session } };
};

const editBlockColumn: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "block");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const session = random.uuid7(1);
  replaceRow(ledger, index, { ...row, session });
  return { class: "BlockAltered", place: { index, block: row.number, session } };
};

/** The header stays: only what its row shows to readers is changed. */
const editBlockShown: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "block");
  const columns = picked?.row.columns;
  if (picked === undefined || columns === undefined) return undefined;
  const { row, index } = picked;
  const { opened, closed, actions } = columns;
  const change = random.pick<Partial<BlockColumns>>([
    { opened: opened + 1 },
    { closed: closed - 1 },
    { reason: "Evicted" },
    { actions: actions + 1 },
  ]);
  replaceRow(ledger, index, { ...row, columns: { ...columns, ...change } });
  return { class: "BlockAltered", place: { index, block: row.number, session: row.session } };
};

/** The registration stays: only what its row says beside it is changed. */
const editJournalShown: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "registration");
  const columns = picked?.row.columns;
  if (picked === undefined || columns === undefined) return undefined;
  const { row, index } = picked;
  const change = random.pick([{ program: "cli" }, { pod: "clinic/other-0" }]);
  replaceRow(ledger, index, { ...row, columns: { ...columns, ...change } });
  return { class: "HeaderAltered", place: { index, journal: row.journal } };
};

/** The statement stays: only what the session's row says beside it is changed. */
const editSessionShown: Tampering = (ledger, random) => {
  const session = random.pick([...ledger.statements.keys()]);
  const stored = session === undefined ? undefined : ledger.statements.get(session);
  if (session === undefined || stored?.columns === undefined) return undefined;
  const { opened, expires } = stored.columns;
  const change = random.pick<Partial<SessionColumns>>([
    { user: random.uuid7(1) },
    { kind: "Tenant" },
    { opened: opened - 1 },
    { expires: expires + 1 },
  ]);
  ledger.statements.set(session, { ...stored, columns: { ...stored.columns, ...change } });
  return { class: "StatementAltered", place: { session } };
};

const deleteBlock: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "block");
  if (picked === undefined) return undefined;
  replaceRow(ledger, picked.index, undefined);
  return { class: "LogEntryMissing", place: { index: picked.index } };
};

const editRegistration: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "registration");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const part = random.pick(["body", "possession", "countersignature"] as const) ?? "body";
  replaceRow(ledger, index, { ...row, [part]: flipped(row[part], random) });
  return { class: "HeaderAltered", place: { index, journal: row.journal } };
};

const editKeyChange: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "key");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const part = random.pick(["body", "signature"] as const) ?? "body";
  replaceRow(ledger, index, { ...row, [part]: flipped(row[part], random) });
  return { class: "HeaderAltered", place: { index } };
};

function changeSessionRows(
  change: (parts: readonly StoredSessionPart[], nth: number) => StoredSessionPart[],
): Tampering {
  return (ledger, random) => {
    const picked = pickRow(ledger, random, "segment");
    if (picked === undefined) return undefined;
    const { row, index } = picked;
    replaceRow(ledger, index, { ...row, sessions: change(row.sessions, random.below(row.sessions.length)) });
    return { class: "IndexAltered", place: { index, journal: row.journal, number: row.number } };
  };
}

const deleteSessionRow = changeSessionRows((parts, nth) => parts.toSpliced(nth, 1));
const addSessionRow = changeSessionRows((parts) => [
  ...parts,
  { session: "01900000-0000-7000-8000-000000000000", positions: [0], leaves: new Uint8Array(32), private: undefined },
]);
const addEmptySessionRow = changeSessionRows((parts) => [
  ...parts,
  {
    session: "01900000-0000-7000-8000-000000000000",
    positions: [],
    leaves: new Uint8Array(0),
    private: undefined,
  },
]);
const hidePosition = changeSessionRows((parts, nth) =>
  parts.map((part, at) =>
    at === nth ? { ...part, positions: part.positions.slice(1), leaves: part.leaves.slice(32) } : part,
  ),
);
const editIndexLeaf = changeSessionRows((parts, nth) =>
  parts.map((part, at) => (at === nth ? { ...part, leaves: Buffer.from(part.leaves).fill(7, 0, 1) } : part)),
);

/** What can be done to the rows that the log tells of. */
export const rowTamperings: Readonly<Record<string, Tampering>> = {
  editSegmentHeader,
  editSegmentHeaderDeftly,
  editSegmentSignature,
  swapSegments,
  deleteSegment,
  editBlock,
  editBlockColumn,
  editBlockShown,
  editJournalShown,
  editSessionShown,
  deleteBlock,
  editRegistration,
  editKeyChange,
  deleteSessionRow,
  addSessionRow,
  addEmptySessionRow,
  hidePosition,
  editIndexLeaf,
};
