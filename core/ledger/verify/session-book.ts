import { HASH_BYTES } from "../hash.ts";
import type { Context, Standing } from "./context.ts";
import type { JournalBook } from "./journal-book.ts";
import type { FoundAt } from "./report.ts";
import type { ContentRecord } from "./segment-content.ts";
import type { SegmentName } from "./source.ts";
import { isSettled, type Link, linkOf, newTrail, type Trail } from "./trail.ts";
import type { PendingLate } from "./verdict.ts";

/** A session that has more leaves than that (2 MiB) is read again when its block comes. */
const MOST_HELD_LEAVES = 65_536;

/**
 * Follows the sessions: every record's link, the leaves for the block, late records and their amendments. It remembers open
 * sessions, and closed ones whose late records wait; what it needs of others it asks the source for.
 */
export class SessionBook {
  readonly #context: Context;
  readonly #journals: JournalBook;
  readonly #trails = new Map<string, Trail>();
  readonly #unsettled = new Set<string>();
  /** Sessions whose block was met and is not sealed yet: only these are not found by their block's index. */
  readonly #closedUnsealed = new Map<string, number>();

  constructor(context: Context, journals: JournalBook) {
    this.#context = context;
    this.#journals = journals;
  }

  get(session: string): Trail | undefined {
    return this.#trails.get(session);
  }

  /** The next record of a session. A promise only when the source has to be asked. */
  take(entry: ContentRecord, session: string, segment: SegmentName, standing: Standing): Promise<void> | undefined {
    const trail = this.#trails.get(session);
    if (trail === undefined) {
      if (entry.record?.type !== "session.open") return this.#begin(entry, session, segment, standing);
      const begun = newTrail(placeOf(entry, session, segment, standing));
      this.#trails.set(session, begun);
      this.#follow(begun, linkOf(begun, segment.journal), entry, session, segment, standing);
      return undefined;
    }
    if (trail.block !== undefined && !trail.links.has(segment.journal)) {
      return this.#resume(trail, entry, session, segment, standing);
    }
    this.#follow(trail, linkOf(trail, segment.journal), entry, session, segment, standing);
    return undefined;
  }

  /** A session met for the first time, or one whose block was closed before. */
  async #begin(entry: ContentRecord, session: string, segment: SegmentName, standing: Standing): Promise<void> {
    const trail = newTrail(placeOf(entry, session, segment, standing));
    const block = this.#closedUnsealed.get(session) ?? (await this.#sealedBlock(session, standing));
    if (block !== undefined) {
      trail.opened = true;
      trail.block = block;
    }
    this.#trails.set(session, trail);
    await this.take(entry, session, segment, standing);
  }

  async #sealedBlock(session: string, { index = Number.MAX_SAFE_INTEGER }: Standing): Promise<number | undefined> {
    const block = await this.#context.source.blockOfSession(session);
    return block?.index !== undefined && block.index < index ? block.number : undefined;
  }

  /** A closed session's record in a journal whose chain was let go: its end is read again. */
  async #resume(
    trail: Trail,
    entry: ContentRecord,
    session: string,
    segment: SegmentName,
    standing: Standing,
  ): Promise<void> {
    const link = linkOf(trail, segment.journal);
    const numbers = await this.#context.source.segmentsOfSession(session, segment.journal);
    const before = numbers.findLast((number) => number < segment.number);
    if (before !== undefined) {
      const row = await this.#context.source.segment({ journal: segment.journal, number: before });
      const leaves = row?.sessions.find((part) => part.session === session)?.leaves;
      link.last = leaves && Buffer.from(leaves.subarray(-HASH_BYTES)).toString("base64url");
      link.number = before;
    }
    this.#follow(trail, link, entry, session, segment, standing);
  }

  #follow(
    trail: Trail,
    link: Link,
    entry: ContentRecord,
    session: string,
    segment: SegmentName,
    standing: Standing,
  ): void {
    const { report, damage } = this.#context;
    const { record } = entry;
    if (
      record !== undefined &&
      record.prev !== link.last &&
      !damage.between(segment.journal, link.number, segment.number)
    ) {
      const message =
        link.last === undefined ? "prev names a record that is not there" : "prev is not the leaf of the record before";
      report.found("LinkBroken", placeOf(entry, session, segment, standing), message);
    }
    link.last = Buffer.from(entry.leaf).toString("base64url");
    link.number = segment.number;
    if (record === undefined) trail.uncertain = true;
    if (record?.type === "session.amend" && record.block !== undefined) {
      const place = placeOf(entry, session, segment, standing);
      for (const range of record.block.journals) trail.amendments.push({ range, block: record.block.number, place });
      this.#unsettled.add(session);
      return;
    }
    link.held.add(segment.number, entry.leaf, record?.type === "decision" || record?.type === "action");
    trail.leaves++;
    if (trail.leaves === MOST_HELD_LEAVES) for (const { held } of trail.links.values()) held.forgetLeaves();
    if (trail.leaves > MOST_HELD_LEAVES) link.held.forgetLeaves();
    if (record?.type === "session.open") {
      if (trail.opened) {
        report.found("Duplicate", placeOf(entry, session, segment, standing), "the session is opened twice");
      }
      trail.opened = true;
      trail.openedAt = record.at;
    }
    if (record?.type === "session.close") trail.closing = { at: record.at, reason: record.reason };
  }

  /** Settles the amendments whose late records have been met: after each segment, and after a block. */
  settle(): void {
    for (const session of this.#unsettled) {
      const trail = this.#trails.get(session);
      if (trail === undefined) this.#unsettled.delete(session);
      else if (trail.block !== undefined) this.#settleTrail(session, trail);
    }
  }

  #settleTrail(session: string, trail: Trail): void {
    const { report, damage } = this.#context;
    trail.amendments = trail.amendments.filter(({ range, block, place }) => {
      const { journal, first, last, count } = range;
      if (!this.#journals.reached(journal, last)) return true;
      const held = trail.links.get(journal)?.held;
      if (
        ((held?.within(first, last) ?? 0) !== count || block !== trail.block) &&
        !damage.between(journal, first, last)
      ) {
        report.found("AmendmentWrong", place, `it does not tell rightly of the late records in ${journal}`);
      }
      held?.settle(first, last);
      return false;
    });
    if (trail.amendments.length === 0) this.#unsettled.delete(session);
    if (isSettled(trail)) this.#trails.delete(session);
  }

  /** The session's block was met: what is left are late records. */
  closed(
    session: string,
    trail: Trail,
    { number, sealed }: { readonly number: number; readonly sealed: boolean },
    lastOf: (journal: string) => number,
  ): void {
    trail.block = number;
    if (!sealed) this.#closedUnsealed.set(session, number);
    for (const [journal, { held }] of trail.links) held.settle(0, lastOf(journal));
    this.#settleTrail(session, trail);
  }

  /** Reports what was never resolved, and lists the late records that still wait. */
  end(most: number): PendingLate[] {
    const { report, damage } = this.#context;
    const pending: PendingLate[] = [];
    for (const [session, trail] of this.#trails) {
      for (const { place } of damage.any ? [] : trail.amendments) {
        report.found("AmendmentWrong", place, "it tells of late records that are not there");
      }
      if (trail.block === undefined) {
        if (trail.opened) report.counts.openSessions++;
        else if (!trail.uncertain && !damage.any) {
          report.found("SessionUnknown", trail.first, "records of a session that was never opened");
        }
        continue;
      }
      for (const [journal, { held }] of trail.links) {
        if (held.count > 0 && pending.length < most) pending.push({ session, journal, count: held.count });
      }
    }
    return pending;
  }
}

function placeOf({ seq }: ContentRecord, session: string, segment: SegmentName, { index }: Standing): FoundAt {
  return { index, journal: segment.journal, number: segment.number, seq, session };
}
