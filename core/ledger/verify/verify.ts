import { Frontier } from "../frontier.ts";
import { sameBytes } from "../hash.ts";
import type { PinnedKeys } from "../keys.ts";
import { entryLeaf } from "../log/entry.ts";
import { AnchorCheck } from "./anchor-check.ts";
import { BlockCheck } from "./block-check.ts";
import { CheckpointCheck } from "./checkpoint-check.ts";
import type { Context, Standing } from "./context.ts";
import { Damage } from "./damage.ts";
import { ErasureBook } from "./erasure-book.ts";
import { GapBook } from "./gap-book.ts";
import { JournalBook } from "./journal-book.ts";
import { KeyBook } from "./key-book.ts";
import { RecoveryCheck } from "./recovery-check.ts";
import { Report } from "./report.ts";
import { SegmentCheck } from "./segment-check.ts";
import { SessionBook } from "./session-book.ts";
import type { LedgerSource, StoredEntry, StoredRecovery, StoredRow } from "./source.ts";
import type { Place, Verdict, VerifyOptions } from "./verdict.ts";

const DEFAULT_FINDINGS = 100;
const PROGRESS_MS = 100;

const UNSEALED: Standing = { index: undefined, asLogged: undefined };

/** One pass over one tenant's ledger. */
class Verification {
  readonly #context: Context;
  readonly #options: VerifyOptions;
  readonly #keys: KeyBook;
  readonly #journals: JournalBook;
  readonly #sessions: SessionBook;
  readonly #erasures: ErasureBook;
  readonly #gaps: GapBook;
  readonly #segments: SegmentCheck;
  readonly #blocks: BlockCheck;
  readonly #checkpoints: CheckpointCheck;
  readonly #anchor: AnchorCheck;
  readonly #recoveries: RecoveryCheck;
  readonly #log = Frontier.empty();
  /** entries are missing, so that the log's root can't be told any more */
  #torn = false;
  #next = 0;

  constructor(source: LedgerSource, pinned: PinnedKeys, anchor: string | undefined, options: VerifyOptions) {
    const report = new Report(options.maxFindings ?? DEFAULT_FINDINGS);
    const context: Context = { tenant: source.tenant, source, pinned, report, damage: new Damage() };
    this.#context = context;
    this.#options = options;
    this.#keys = new KeyBook(context);
    this.#journals = new JournalBook(context, this.#keys);
    this.#sessions = new SessionBook(context, this.#journals);
    this.#erasures = new ErasureBook(context);
    this.#gaps = new GapBook(context, this.#journals);
    this.#segments = new SegmentCheck(context, this.#journals, this.#sessions, this.#erasures, this.#gaps);
    this.#blocks = new BlockCheck(context, this.#journals, this.#sessions);
    this.#checkpoints = new CheckpointCheck(context);
    this.#anchor = new AnchorCheck(context, anchor);
    this.#recoveries = new RecoveryCheck(context, this.#keys);
  }

  async run(anchor: string | undefined): Promise<Verdict> {
    const { source, report, pinned } = this.#context;
    await this.#erasures.load();
    await this.#checkpoints.start();
    try {
      await this.#heads();
      await this.#readLog(await source.size());
      await this.#checkpoints.end(this.#next);
    } finally {
      await this.#checkpoints.stop();
    }
    const newest = this.#checkpoints.newest;
    this.#anchor.end(newest);
    for await (const { row, journal, number } of source.unsealed()) {
      report.counts.unsealed++;
      if (row === undefined) {
        report.found("LogEntryMissing", { index: undefined, journal, number }, "what waits to be sealed is not there");
      } else await this.#take(row, UNSEALED);
    }
    for await (const row of source.strays()) {
      report.found("NotLogged", placeOf(row), `a ${row.kind} that is not in the log, and does not wait for it`);
      await this.#take(row, UNSEALED);
    }
    this.#missingSegments();
    this.#erasures.end();
    this.#gaps.end();
    const pending = this.#sessions.end(this.#options.maxFindings ?? DEFAULT_FINDINGS);
    report.counts.openJournals = this.#journals.openCount;
    const operator = [...pinned.values()].some(({ program }) => program === "operator");
    const problem =
      this.#anchor.problem ??
      (operator ? undefined : "no key of the operator is pinned: checkpoints can't be checked") ??
      (anchor === undefined && this.#options.requireAnchor === true ? "there is no anchor" : undefined);
    return {
      status: report.counts.findings > 0 ? "Tampered" : problem === undefined ? "Intact" : "Unchecked",
      ...(problem === undefined ? {} : { problem }),
      anchor: this.#anchor.state,
      incomplete: report.gaps,
      recoveries: report.recoveries,
      pending,
      findings: report.findings,
      counts: report.counts,
    };
  }

  async #readLog(of: number): Promise<void> {
    const { source, report } = this.#context;
    let told = performance.now();
    for await (const entry of source.entries()) {
      await this.#entry(entry);
      report.counts.entries++;
      if (performance.now() - told < PROGRESS_MS) continue;
      told = performance.now();
      this.#options.progress?.({ entries: report.counts.entries, of, records: report.counts.records });
    }
    this.#options.progress?.({ entries: report.counts.entries, of, records: report.counts.records });
  }

  async #entry({ index, leaf, row }: StoredEntry): Promise<void> {
    const { report } = this.#context;
    if (index < this.#next) {
      report.found("Duplicate", { index }, "the log has this index twice");
      return;
    }
    if (index > this.#next) {
      this.#torn = true;
      const range = index - 1 > this.#next ? ` to ${index - 1}` : "";
      report.found("LogEntryMissing", { index: this.#next }, `log entry ${this.#next}${range} is missing`);
    }
    const before = row?.kind === "recovery" && !this.#torn ? this.#log.root() : undefined;
    // The stored leaf goes on: if only the row was changed, the root still holds, and the place is exactly this one.
    this.#log.append(leaf);
    this.#next = index + 1;
    if (row === undefined) {
      report.found("LogEntryMissing", { index }, "the row that the log tells of is not there");
    } else {
      const asLogged = sameBytes(entryLeaf(row), leaf);
      if (row.kind === "recovery") await this.#recover(row, { index, asLogged }, before);
      else await this.#take(row, { index, asLogged });
      if (!asLogged && !report.told(index)) {
        report.found("LogEntryAltered", { index }, `the log's leaf is not that of its ${row.kind}`);
      }
    }
    await this.#heads();
  }

  /** @param root of the entries before it; undefined when that can't be told */
  async #recover(row: StoredRecovery, standing: Standing, root: Uint8Array | undefined): Promise<void> {
    const recovery = this.#recoveries.take(row, standing, { epoch: this.#checkpoints.epoch, root });
    if (recovery === undefined) return;
    await this.#checkpoints.recovered(recovery);
    this.#anchor.recovered(recovery);
  }

  async #heads(): Promise<void> {
    const root = (): Uint8Array | undefined => (this.#torn ? undefined : this.#log.root());
    await this.#checkpoints.at(this.#next, root);
    this.#anchor.at(this.#next, root);
  }

  async #take(row: StoredRow, standing: Standing): Promise<void> {
    switch (row.kind) {
      case "registration":
        return this.#journals.take(row, standing);
      case "segment":
        return await this.#segments.take(row, standing);
      case "block":
        return await this.#blocks.take(row, standing);
      case "key":
        return this.#keys.take(row, standing);
      case "recovery":
        // Counts only in the log: before that it is somebody's wish.
        return;
    }
  }

  #missingSegments(): void {
    for (const [journal, numbers] of this.#journals.missing()) {
      for (const number of numbers) {
        this.#context.report.found("NumberGap", { journal, number }, "the segment is missing");
      }
    }
  }
}

function placeOf(row: StoredRow): Place {
  switch (row.kind) {
    case "registration":
      return { journal: row.journal };
    case "segment":
      return { journal: row.journal, number: row.number };
    case "block":
      return { block: row.number, session: row.session };
    case "key":
    case "recovery":
      return {};
  }
}

/**
 * Checks one tenant's whole ledger, in one pass, in memory that is bounded by its open sessions and journals.
 *
 * @param pinned program keys from outside the database; retired ones too, for what they signed
 * @param anchor a checkpoint (signed note) that was kept outside the database
 * @throws only what the source throws: a ledger that can't be read has no verdict
 */
export async function verifyLedger(
  source: LedgerSource,
  pinned: PinnedKeys,
  anchor?: string,
  options: VerifyOptions = {},
): Promise<Verdict> {
  return await new Verification(source, pinned, anchor, options).run(anchor);
}
