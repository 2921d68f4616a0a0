import type { Context, Standing } from "./context.ts";
import type { ErasureBook } from "./erasure-book.ts";
import type { GapBook } from "./gap-book.ts";
import { HeaderCheck, type PlacedSegment } from "./header-check.ts";
import type { JournalBook } from "./journal-book.ts";
import { misplaced } from "./record-rules.ts";
import type { FoundAt } from "./report.ts";
import { type ContentRecord, readContent } from "./segment-content.ts";
import type { SessionBook } from "./session-book.ts";
import { SessionRows } from "./session-rows.ts";
import type { StoredSegment } from "./source.ts";
import { checkStatements, type Opening } from "./statement-check.ts";

/** Checks a segment with all that is in it and beside it. */
export class SegmentCheck {
  readonly #context: Context;
  readonly #headers: HeaderCheck;
  readonly #sessions: SessionBook;
  readonly #erasures: ErasureBook;
  readonly #gaps: GapBook;

  constructor(context: Context, journals: JournalBook, sessions: SessionBook, erasures: ErasureBook, gaps: GapBook) {
    this.#context = context;
    this.#headers = new HeaderCheck(context, journals);
    this.#sessions = sessions;
    this.#erasures = erasures;
    this.#gaps = gaps;
  }

  async take(row: StoredSegment, standing: Standing): Promise<void> {
    const { report } = this.#context;
    report.counts.segments++;
    const placed = await this.#headers.check(row, standing);
    if (placed === undefined) return;
    const content = readContent(this.#context, row, placed, standing);
    if (content === undefined) return;
    report.counts.records += content.length;
    this.#times(content, placed, standing);
    const rows = new SessionRows(this.#context, this.#erasures, row, standing.index);
    const openings: Opening[] = [];
    for (let position = 0; position < content.length; position++) {
      const entry = content[position];
      if (entry === undefined) continue;
      const { record, seq } = entry;
      const session = record === undefined ? rows.sessionAt(position) : record.session;
      rows.take(position, entry, session);
      if (record !== undefined) {
        const fault = misplaced(record, seq, placed.header, placed.journal);
        if (fault !== undefined) {
          report.found("RecordMisplaced", this.#place(row, seq, session, standing), fault);
          continue;
        }
        if (record.gap !== undefined) this.#gaps.met(record, record.gap);
        if (record.erased !== undefined) this.#erasures.met(record);
        if (record.type === "session.open") {
          openings.push({ record, place: this.#place(row, seq, session, standing) });
        }
      }
      if (session !== undefined) {
        // Mostly there is nothing to wait for, and a promise for each record would cost more than the record.
        const asked = this.#sessions.take(entry, session, row, standing);
        if (asked !== undefined) await asked;
      }
    }
    rows.end();
    this.#sessions.settle();
    await checkStatements(this.#context, openings);
  }

  #times(content: readonly ContentRecord[], { header, sound }: PlacedSegment, { index }: Standing): void {
    const opened = content[0]?.record?.at;
    const closed = content.at(-1)?.record?.at;
    if (!sound || opened === undefined || closed === undefined) return;
    if (opened === header.opened && closed === header.closed) return;
    const place = { index, journal: header.journal, number: header.number };
    this.#context.report.found("HeaderAltered", place, "opened and closed are not the first and last record's times");
  }

  #place(row: StoredSegment, seq: number, session: string | undefined, { index }: Standing): FoundAt {
    return {
      index,
      journal: row.journal,
      number: row.number,
      seq,
      session,
    };
  }
}
