import { LedgerError } from "../errors.ts";
import { unpackRecords } from "../record/pack.ts";
import { parseRecord } from "../record/parse.ts";
import type { LedgerRecord } from "../record/types.ts";
import type { Context } from "./context.ts";

/**
 * Which private parts may be absent. Erasures are read before anything else, because a record comes before the erasure of its
 * private part; each must then be met in the ledger itself. Its size is that of the erasures, not of the log.
 */
export class ErasureBook {
  readonly #context: Context;
  readonly #announced = new Set<string>();
  readonly #sessions = new Set<string>();
  readonly #records = new Set<string>();
  /** erased segments by journal: ascending, apart from each other */
  readonly #segments = new Map<string, Range[]>();
  readonly #excepted = new Set<string>();
  #before = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Reads the erasures that the source announces. */
  async load(): Promise<void> {
    const { source } = this.#context;
    for await (const name of source.erasures()) {
      const row = await source.segment(name);
      if (row !== undefined) for (const record of readable(row.records)) this.#announce(record);
    }
  }

  #announce({ id, erased }: LedgerRecord): void {
    if (erased === undefined) return;
    this.#announced.add(id);
    for (const session of erased.sessions ?? []) this.#sessions.add(session);
    for (const record of erased.records ?? []) this.#records.add(record);
    this.#before = Math.max(this.#before, erased.before ?? 0);
    for (const { journal, ...range } of erased.segments ?? []) {
      this.#segments.set(journal, joined(this.#segments.get(journal) ?? [], range));
    }
    for (const session of erased.except ?? []) this.#excepted.add(session);
  }

  /** An erasure was met in an authentic segment. */
  met(record: LedgerRecord): void {
    this.#announced.delete(record.id);
  }

  /** Is there an erasure of this record's private part? The record stands in segment `number` of its journal. */
  covers({ id, session, at }: LedgerRecord, journal: string, number: number): boolean {
    if (session !== undefined && this.#sessions.has(session)) return true;
    if (at < this.#before || this.#records.has(id)) return true;
    if (session !== undefined && this.#excepted.has(session)) return false;
    return this.#segments.get(journal)?.some(({ first, last }) => first <= number && number <= last) ?? false;
  }

  /** Reports the announced erasures that are not in the ledger. */
  end(): void {
    const { report, damage } = this.#context;
    if (damage.any) return;
    for (const id of this.#announced) {
      const [journal, seq] = id.split("/");
      report.found(
        "ErasureUnknown",
        { journal: journal ?? id, seq: Number(seq) },
        "an erasure that the ledger does not hold",
      );
    }
  }
}

type Range = { readonly first: number; readonly last: number };

/** The ranges with one more; those that touch become one, so that a journal erased from its beginning has a single one. */
function joined(ranges: readonly Range[], added: Range): Range[] {
  const touches = ({ first, last }: Range) => first <= added.last + 1 && added.first <= last + 1;
  const touching = [added, ...ranges.filter(touches)];
  const first = Math.min(...touching.map((range) => range.first));
  const last = Math.max(...touching.map((range) => range.last));
  return [...ranges.filter((range) => !touches(range)), { first, last }].toSorted((a, b) => a.first - b.first);
}

/** Whatever of it can be read: what can't is reported where the segment itself is checked. */
function readable(packed: Uint8Array): LedgerRecord[] {
  try {
    return unpackRecords(packed).map(parseRecord);
  } catch (error) {
    if (error instanceof LedgerError) return [];
    throw error;
  }
}
