import { JOURNAL_LOST } from "../gap.ts";
import type { Gap, LedgerRecord } from "../record/types.ts";
import type { Context } from "./context.ts";
import type { JournalBook } from "./journal-book.ts";
import type { RecordedGap } from "./verdict.ts";

/**
 * What the ledger itself says is missing, or may be. Of lost journals that can be told at the end only: one that was closed after all
 * lacks nothing, since numbers are dense up to its `journal.close`. Memory: what lost journals there are.
 */
export class GapBook {
  readonly #context: Context;
  readonly #journals: JournalBook;
  readonly #lost: RecordedGap[] = [];

  constructor(context: Context, journals: JournalBook) {
    this.#context = context;
    this.#journals = journals;
  }

  met({ id, reason }: LedgerRecord, { journal, from, lost }: Gap): void {
    const gap: RecordedGap = { journal, pod: undefined, from, lost, reason, record: id };
    if (reason === JOURNAL_LOST) this.#lost.push(gap);
    else this.#context.report.gap({ ...gap, pod: this.#journals.get(journal)?.pod });
  }

  end(): void {
    for (const gap of this.#lost) {
      if (this.#journals.endedAt(gap.journal) !== undefined) continue;
      const state = this.#journals.get(gap.journal);
      // Records may have come since that were believed to be lost, and still nobody knows whether they were all.
      this.#context.report.gap({ ...gap, pod: state?.pod, from: Math.max(gap.from, state?.seq ?? 0) });
    }
  }
}
