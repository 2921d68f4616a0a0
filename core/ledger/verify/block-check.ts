import { type BlockHeader, parseBlockHeader } from "../block.ts";
import { LedgerError } from "../errors.ts";
import { Frontier } from "../frontier.ts";
import { HASH_BYTES, sameBytes, sha256 } from "../hash.ts";
import type { JournalRange } from "../record/types.ts";
import type { Context, Standing } from "./context.ts";
import type { JournalBook } from "./journal-book.ts";
import type { FoundAt } from "./report.ts";
import type { SessionBook } from "./session-book.ts";
import type { StoredBlock } from "./source.ts";
import type { Trail } from "./trail.ts";

/** Checks closed blocks: dense numbers, their chain, and that each holds exactly its session's records. */
export class BlockCheck {
  readonly #context: Context;
  readonly #journals: JournalBook;
  readonly #sessions: SessionBook;
  #next = 0;
  #previous: Uint8Array | undefined;

  constructor(context: Context, journals: JournalBook, sessions: SessionBook) {
    this.#context = context;
    this.#journals = journals;
    this.#sessions = sessions;
  }

  async take(row: StoredBlock, { index, asLogged }: Standing): Promise<void> {
    const { report } = this.#context;
    const place = { index, block: row.number, session: row.session };
    report.counts.blocks++;
    if (row.number < this.#next) {
      report.found("Duplicate", place, "a block with this number came before");
      return;
    }
    if (row.number > this.#next) {
      const range = row.number - 1 > this.#next ? ` to ${row.number - 1}` : "";
      report.found("BlockMissing", { block: this.#next }, `block ${this.#next}${range} is missing`);
      this.#previous = undefined;
    }
    const header = this.#parsed(row, asLogged, place);
    if (header !== undefined) {
      this.#linked(header, place);
      this.#columns(header, row, place);
    }
    this.#next = row.number + 1;
    this.#previous = header === undefined ? undefined : sha256(row.header);
    await this.#holdsItsSession(row, header, place);
  }

  #parsed(row: StoredBlock, asLogged: boolean | undefined, place: FoundAt): BlockHeader | undefined {
    const { report, tenant } = this.#context;
    if (asLogged === false) {
      report.found("BlockAltered", place, "the header is not the one that was sealed");
      return undefined;
    }
    try {
      const header = parseBlockHeader(row.header);
      if (header.tenant === tenant && header.number === row.number && header.session === row.session) return header;
      report.found("BlockAltered", place, "the header is of another block than its row says");
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      report.found("BlockAltered", place, error.message);
    }
    return undefined;
  }

  #linked({ previous }: BlockHeader, place: FoundAt): void {
    if (this.#previous === undefined || previous === undefined) return;
    if (!sameBytes(Buffer.from(previous, "base64url"), this.#previous)) {
      this.#context.report.found("LinkBroken", place, "previous is not the hash of the block before");
    }
  }

  /** What readers see beside the header must be what it says. */
  #columns(header: BlockHeader, { columns }: StoredBlock, place: FoundAt): void {
    if (columns === undefined) return;
    const same =
      columns.opened === header.opened && columns.closed === header.closed && columns.reason === header.reason;
    if (!same) this.#context.report.found("BlockAltered", place, "its row says otherwise than its header");
  }

  async #holdsItsSession(row: StoredBlock, header: BlockHeader | undefined, place: FoundAt): Promise<void> {
    const { report, damage } = this.#context;
    const { session, number } = row;
    const trail = this.#sessions.get(session);
    if (trail === undefined) {
      if (header !== undefined && !damage.any)
        report.found("BlockAltered", place, "its session has no records before it");
      return;
    }
    if (trail.block !== undefined) {
      report.found("Duplicate", place, `the session has block ${trail.block} already`);
      return;
    }
    if (header !== undefined) {
      const fault =
        (await this.#fault(header, trail)) ?? otherCourse(header, trail) ?? this.#miscounted(header, row, trail);
      if (fault !== undefined) report.found("BlockAltered", place, fault);
      if (!trail.opened && !trail.uncertain && !damage.any) {
        report.found("SessionUnknown", place, "a block of a session that was never opened");
      }
    }
    const lasts = new Map(header?.journals.map(({ journal, last }) => [journal, last]));
    // Without a header nothing is known of late records; none shall be told of as pending.
    this.#sessions.closed(session, trail, { number, sealed: place.index !== undefined }, (journal) =>
      header === undefined ? Number.MAX_SAFE_INTEGER : (lasts.get(journal) ?? -1),
    );
  }

  /** Why the header does not tell of the session's records rightly, or undefined. Where records are damaged, nothing is said. */
  async #fault(header: BlockHeader, trail: Trail): Promise<string | undefined> {
    const { damage } = this.#context;
    if (header.journals.some(({ journal, first, last }) => damage.between(journal, first, last))) return undefined;
    for (const { journal, first, last, count } of header.journals) {
      if (!this.#journals.reached(journal, last)) return `segments of ${journal} do not stand before it`;
      const held = trail.links.get(journal)?.held;
      if (held?.within(first, last) !== count || held.within(0, last) !== count) {
        return `the session's records in ${journal} are not as many as it says`;
      }
    }
    const frontier = Frontier.empty();
    for (const range of header.journals) {
      for (const leaf of await this.#leaves(header.session, range, trail)) frontier.append(leaf);
    }
    const root = Buffer.from(header.root, "base64url");
    if (!sameBytes(frontier.root(), root)) return "its root is not that of the session's records";
    if (trail.closing === undefined && !trail.uncertain) return "its session has no session.close";
    return undefined;
  }

  /** The number of actions is in no header: it is what the records make it. */
  #miscounted({ journals }: BlockHeader, { columns }: StoredBlock, trail: Trail): string | undefined {
    if (columns === undefined || trail.uncertain || this.#context.damage.any) return undefined;
    const actions = journals.reduce((sum, range) => sum + actionsOf(range, trail), 0);
    return actions === columns.actions ? undefined : `its row says ${columns.actions} actions, its records ${actions}`;
  }

  async #leaves(session: string, range: JournalRange, trail: Trail): Promise<Iterable<Uint8Array>> {
    const { source } = this.#context;
    const held = trail.links.get(range.journal)?.held.leaves(range.count);
    if (held !== undefined) return held;
    const leaves: Uint8Array[] = [];
    for (const number of await source.segmentsOfSession(session, range.journal)) {
      if (number < range.first || number > range.last) continue;
      const row = await source.segment({ journal: range.journal, number });
      const packed = row?.sessions.find((part) => part.session === session)?.leaves ?? new Uint8Array(0);
      for (let at = 0; at < packed.length; at += HASH_BYTES) leaves.push(packed.subarray(at, at + HASH_BYTES));
    }
    return leaves;
  }
}

function actionsOf({ journal, last }: JournalRange, trail: Trail): number {
  return trail.links.get(journal)?.held.actionsUpTo(last) ?? 0;
}

/** Blocks are unsigned, and made from rows: when and why the session ended must be what its signed records say. */
function otherCourse(header: BlockHeader, { openedAt, closing, uncertain }: Trail): string | undefined {
  if (uncertain || openedAt === undefined || closing === undefined) return undefined;
  if (header.opened !== openedAt) return "it says another time of opening than the session's records";
  if (header.closed !== closing.at) return "it says another time of closing than the session's records";
  return header.reason === closing.reason ? undefined : "it says another reason than the session's records";
}
