import type { Finding, FindingClass, Place, RecordedGap, RecordedRecovery, VerdictCounts } from "./verdict.ts";

type Counts = { -readonly [K in keyof VerdictCounts]: number };

/** A place as it is at hand: what is undefined is left out of the finding. */
export type FoundAt = { readonly [K in keyof Place]: Place[K] | undefined };

/** Collects what a verification finds, in bounded memory. */
export class Report {
  readonly findings: Finding[] = [];
  readonly gaps: RecordedGap[] = [];
  readonly recoveries: RecordedRecovery[] = [];
  readonly counts: Counts = {
    entries: 0,
    checkpoints: 0,
    journals: 0,
    openJournals: 0,
    segments: 0,
    records: 0,
    privateParts: 0,
    erased: 0,
    blocks: 0,
    openSessions: 0,
    unsealed: 0,
    findings: 0,
    gaps: 0,
    recoveries: 0,
  };
  readonly #most: number;
  #lastIndex: number | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  found(kind: FindingClass, place: FoundAt, message: string): void {
    this.counts.findings++;
    this.#lastIndex = place.index;
    if (this.findings.length < this.#most) this.findings.push({ class: kind, place: defined(place), message });
  }

  /** Was the newest finding at this log entry? */
  told(index: number): boolean {
    return this.#lastIndex === index;
  }

  gap(gap: RecordedGap): void {
    this.counts.gaps++;
    if (this.gaps.length < this.#most) this.gaps.push(gap);
  }

  recovery(recovery: RecordedRecovery): void {
    this.counts.recoveries++;
    if (this.recoveries.length < this.#most) this.recoveries.push(recovery);
  }
}

function defined(place: FoundAt): Place {
  return Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined)) as Place;
}
