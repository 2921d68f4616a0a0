import type { Watermark } from "./conversation.ts";

/** How far a journal has come. */
export interface JournalProgress {
  readonly tenant: string;
  readonly journal: string;
  /** The seq that the next record will get. */
  readonly nextSeq: number;
  /** The hub has committed every record below this seq. */
  readonly committedSeq: number;
}

/** Tells the hub when a block can be closed: when every record made before its session's end was seen has been committed. */
export interface Watermarks {
  seen(tenant: string, outboxSeq: bigint): void;
  current(): Watermark[];
}

/** `progress`: of the journal that takes the tenant's records now. */
export function createWatermarks(progress: () => JournalProgress | undefined): Watermarks {
  const seen = new Map<string, bigint>();
  let marks: { outboxSeq: bigint; nextSeq: number }[] = [];
  let marked: string | undefined;
  let reached: bigint | undefined;

  function mark(): JournalProgress | undefined {
    const now = progress();
    if (now === undefined) return undefined;
    if (marked !== now.journal) {
      marked = now.journal;
      marks = [];
      reached = undefined;
    }
    const outboxSeq = seen.get(now.tenant);
    const last = marks.at(-1);
    if (outboxSeq === undefined || outboxSeq <= (last?.outboxSeq ?? reached ?? -1n)) return now;
    if (last?.nextSeq === now.nextSeq) last.outboxSeq = outboxSeq;
    else marks.push({ outboxSeq, nextSeq: now.nextSeq });
    return now;
  }

  return {
    seen(tenant, outboxSeq) {
      // Decisions made before the event was taken in reach the journal within this turn of the event loop.
      setImmediate(() => {
        const before = seen.get(tenant) ?? 0n;
        seen.set(tenant, outboxSeq);
        // Events that went back are of another store.
        if (outboxSeq < before) marked = undefined;
        mark();
      });
    },
    current() {
      const now = mark();
      if (now === undefined) return [];
      const { tenant, journal, committedSeq } = now;
      reached = marks.filter(({ nextSeq }) => nextSeq <= committedSeq).at(-1)?.outboxSeq ?? reached;
      marks = marks.filter(({ nextSeq }) => nextSeq > committedSeq);
      return reached === undefined ? [] : [{ tenant, journal, outboxSeq: reached }];
    },
  };
}
