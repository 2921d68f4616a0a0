import type {
  BlockPlace,
  LedgerSource,
  SegmentName,
  StoredCheckpoint,
  StoredEntry,
  StoredRow,
  StoredSegment,
  StoredStatement,
  StoredWaiting,
} from "../verify/source.ts";

/** A ledger's rows as a database holds them: plain data, to be tampered with. */
export type StoredLedger = {
  tenant: string;
  entries: StoredEntry[];
  unsealed: StoredRow[];
  strays: StoredRow[];
  checkpoints: StoredCheckpoint[];
  statements: Map<string, StoredStatement>;
};

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** A LedgerSource over rows in memory. Make a new one after changing the rows. */
export class MemorySource implements LedgerSource {
  readonly #ledger: StoredLedger;

  constructor(ledger: StoredLedger) {
    this.#ledger = ledger;
  }

  get tenant(): string {
    return this.#ledger.tenant;
  }

  get #rows(): StoredRow[] {
    return [...this.#ledger.entries.flatMap(({ row }) => row ?? []), ...this.#ledger.unsealed, ...this.#ledger.strays];
  }

  get #segments(): StoredSegment[] {
    return this.#rows.filter((row) => row.kind === "segment");
  }

  async size(): Promise<number> {
    return this.#ledger.entries.length;
  }

  entries(): AsyncIterable<StoredEntry> {
    return stream(this.#ledger.entries);
  }

  unsealed(): AsyncIterable<StoredWaiting> {
    return stream(this.#ledger.unsealed.map((row) => ({ row })));
  }

  strays(): AsyncIterable<StoredRow> {
    return stream(this.#ledger.strays);
  }

  checkpoints(): AsyncIterable<StoredCheckpoint> {
    return stream(this.#ledger.checkpoints);
  }

  erasures(): AsyncIterable<SegmentName> {
    const words = ['"type":"subject.erased"', '"type":"retention.dropped"'];
    return stream(this.#segments.filter(({ records }) => words.some((word) => Buffer.from(records).includes(word))));
  }

  async segment({ journal, number }: SegmentName): Promise<StoredSegment | undefined> {
    return this.#segments.find((row) => row.journal === journal && row.number === number);
  }

  async segmentsOfSession(session: string, journal: string): Promise<readonly number[]> {
    return this.#segments
      .filter((row) => row.journal === journal && row.sessions.some((part) => part.session === session))
      .map(({ number }) => number)
      .toSorted((a, b) => a - b);
  }

  async blockOfSession(session: string): Promise<BlockPlace | undefined> {
    for (const { index, row } of this.#ledger.entries) {
      if (row?.kind === "block" && row.session === session) return { number: row.number, index };
    }
    const waiting = this.#ledger.unsealed.find((row) => row.kind === "block" && row.session === session);
    return waiting?.kind === "block" ? { number: waiting.number, index: undefined } : undefined;
  }

  async statements(sessions: readonly string[]): Promise<ReadonlyMap<string, StoredStatement>> {
    return new Map([...this.#ledger.statements].filter(([session]) => sessions.includes(session)));
  }
}
