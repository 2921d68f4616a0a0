import { LedgerError } from "../errors.ts";
import { sameBytes, sha256 } from "../hash.ts";
import { parseSegmentHeader, type SegmentHeader, verifySegmentSignature } from "../segment.ts";
import type { Context, Standing } from "./context.ts";
import type { JournalBook, JournalState } from "./journal-book.ts";
import type { StoredSegment } from "./source.ts";

/** Of a longer hole only its beginning is told. */
const MOST_SKIPPED = 1000;

/** A segment that has a place in its journal; `sound` when its header is the one that was signed and sealed. */
export type PlacedSegment = {
  readonly header: SegmentHeader;
  readonly journal: JournalState;
  readonly sound: boolean;
};

/** Checks a segment's header: form, signature, and that it is its journal's next one. */
export class HeaderCheck {
  readonly #context: Context;
  readonly #journals: JournalBook;

  constructor(context: Context, journals: JournalBook) {
    this.#context = context;
    this.#journals = journals;
  }

  /** The segment's place, or undefined when its records can't be taken into account (its damage is marked then). */
  async check(row: StoredSegment, standing: Standing): Promise<PlacedSegment | undefined> {
    const { journal, number } = row;
    const state = this.#journals.get(journal);
    if (state === undefined) {
      await this.#withoutJournal(row, standing);
      return undefined;
    }
    if (!(await this.#inTurn(row, state, standing))) return undefined;
    const header = this.#parsed(row, standing);
    const sound = header !== undefined && this.#signed(row, header, state, standing);
    if (sound && number === state.number) this.#continues(header, state, standing);
    state.number = number + 1;
    // Of a header that can't be relied on nothing is expected: its own finding is enough.
    state.seq = sound ? header.first + header.count : undefined;
    state.previous = sound ? sha256(row.header) : undefined;
    if (header === undefined) {
      this.#context.damage.mark(journal, number);
      return undefined;
    }
    if (sound && header.final === true) this.#journals.end(journal, number);
    return { header, journal: state, sound };
  }

  async #withoutJournal(row: StoredSegment, { index }: Standing): Promise<void> {
    const { report, damage } = this.#context;
    const { journal, number } = row;
    const ended = this.#journals.endedAt(journal);
    if (ended === undefined) {
      if (damage.isWhole(journal)) return;
      damage.markWhole(journal);
      report.found("UnregisteredJournal", { index, journal, number }, "the journal has no registration before it");
    } else if (this.#journals.unskip(journal, number)) {
      report.found("Reordered", { index, journal, number }, "the segment comes after later ones");
    } else if (number <= ended) {
      await this.#again(row, index);
    } else {
      report.found("RecordMisplaced", { index, journal, number }, "the journal has ended before");
    }
  }

  /** Is the segment's number the next, or after a gap? */
  async #inTurn(row: StoredSegment, state: JournalState, { index }: Standing): Promise<boolean> {
    const { report, damage } = this.#context;
    const { journal, number } = row;
    if (number >= state.number) {
      if (number > state.number) damage.mark(journal, state.number, number - 1);
      for (let skipped = state.number; skipped < number && skipped < state.number + MOST_SKIPPED; skipped++) {
        this.#journals.skip(journal, skipped);
      }
      return true;
    }
    if (this.#journals.unskip(journal, number)) {
      report.found("Reordered", { index, journal, number }, "the segment comes after later ones");
    } else {
      await this.#again(row, index);
    }
    return false;
  }

  async #again(row: StoredSegment, index: number | undefined): Promise<void> {
    const { journal, number } = row;
    const other = await this.#context.source.segment({ journal, number });
    const same = other !== undefined && sameBytes(other.header, row.header);
    const message = same ? "the segment is there twice" : "another segment has this number";
    this.#context.report.found(same ? "Duplicate" : "Equivocation", { index, journal, number }, message);
  }

  #parsed(row: StoredSegment, { index }: Standing): SegmentHeader | undefined {
    const { report, tenant } = this.#context;
    const { journal, number } = row;
    const place = { index, journal, number };
    try {
      const header = parseSegmentHeader(row.header);
      if (header.journal === journal && header.number === number && header.tenant === tenant) return header;
      report.found("HeaderAltered", place, "the header is of another segment than its row says");
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      report.found("HeaderAltered", place, error.message);
    }
    return undefined;
  }

  #signed(row: StoredSegment, header: SegmentHeader, state: JournalState, { index, asLogged }: Standing): boolean {
    const { report } = this.#context;
    const place = { index, journal: row.journal, number: row.number };
    const key = state.signers.get(header.signer);
    const valid = key !== undefined && verifySegmentSignature(row.header, row.signature, key);
    if (valid) return asLogged !== false;
    if (asLogged === false) report.found("HeaderAltered", place, "header and signature are not those that were sealed");
    else if (key !== undefined) report.found("SignatureInvalid", place, "the header's signature is not valid");
    else report.found("UnregisteredJournal", place, `signed by ${header.signer}, which may not sign for this journal`);
    return false;
  }

  #continues(header: SegmentHeader, state: JournalState, { index }: Standing): void {
    const { report } = this.#context;
    const { journal, number } = header;
    if (state.seq !== undefined && header.first !== state.seq) {
      report.found(
        "NumberGap",
        { index, journal, number, seq: state.seq },
        `the segment begins at seq ${header.first}`,
      );
    }
    if (state.previous === undefined || header.previous === undefined) return;
    if (!sameBytes(Buffer.from(header.previous, "base64url"), state.previous)) {
      report.found("LinkBroken", { index, journal, number }, "previous is not the hash of the header before");
    }
  }
}
