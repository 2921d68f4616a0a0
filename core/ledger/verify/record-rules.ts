import type { LedgerRecord } from "../record/types.ts";
import { mayHold } from "../registration.ts";
import type { SegmentHeader } from "../segment.ts";
import type { JournalState } from "./journal-book.ts";

/** Why a record may not stand where it stands, or undefined. */
export function misplaced(
  record: LedgerRecord,
  seq: number,
  header: SegmentHeader,
  journal: JournalState,
): string | undefined {
  if (record.id !== `${header.journal}/${seq}`) return "its id is not its place";
  if (record.tenant !== header.tenant) return "a record of another tenant";
  if (!mayHold(journal.program, record.type)) return `a journal of ${journal.program} may not hold ${record.type}`;
  if ((record.type === "journal.open") !== (seq === 0)) return "journal.open is a journal's first record, and no other";
  const last = seq === header.first + header.count - 1;
  if ((record.type === "journal.close") !== (last && header.final === true)) {
    return "journal.close is the last record of a journal's final segment, and no other";
  }
  return undefined;
}
