import type { SegmentName, StoredSegment, StoredSessionPart } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { NO_SESSION } from "./insert-segment.ts";

/** Segments are read by that many bytes of records at once, or one by one where one has more. */
export const SEGMENT_BYTES = 8 * 1024 * 1024;

/** Reads page by page: `params`, then the place after which the page begins. */
export async function* pages<Row extends object>(
  tx: Tx,
  placeOf: (last: Row) => readonly unknown[],
  query: { readonly start: readonly unknown[]; readonly sql: string; readonly params: readonly unknown[] },
): AsyncIterable<Row[]> {
  let after = query.start;
  for (;;) {
    const page = await tx.query<Row>(query.sql, [...query.params, ...after]);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = placeOf(last);
  }
}

/** The same items, each asked for while the one before it is being used. */
export async function* ahead<T>(items: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = items[Symbol.asyncIterator]();
  let coming = iterator.next();
  try {
    for (;;) {
      const { done, value } = await coming;
      if (done === true) return;
      coming = iterator.next();
      // Its failure is for whoever asks for it; who stops before does not.
      coming.catch(() => undefined);
      yield value;
    }
  } finally {
    await coming.then(() => iterator.return?.()).catch(() => undefined);
  }
}

/** Splits a page so that each part's sizes add up to at most `most`, or it has one row. */
export function* batches<Row>(
  page: readonly Row[],
  sizeOf: (row: Row) => number,
  most: number = SEGMENT_BYTES,
): Iterable<Row[]> {
  let batch: Row[] = [];
  let size = 0;
  for (const row of page) {
    if (batch.length > 0 && size + sizeOf(row) > most) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(row);
    size += sizeOf(row);
  }
  if (batch.length > 0) yield batch;
}

/** The segments of these names that are there, with the rows beside them, in the order of journal and number. */
export async function readSegments(
  tx: Tx,
  tenantId: string,
  names: readonly SegmentName[],
): Promise<Map<string, StoredSegment>> {
  if (names.length === 0) return new Map();
  const params = [tenantId, names.map(({ journal }) => journal), names.map(({ number }) => number)];
  const segments = await tx.query<SegmentName & { header: Buffer; signature: Buffer; records: Buffer }>(
    `SELECT segment.journal_id AS journal, segment.number, segment.header, segment.signature, segment.records
       FROM unnest($2::uuid[], $3::bigint[]) AS name (journal, number)
       JOIN segment ON segment.tenant_id = $1 AND segment.journal_id = name.journal AND segment.number = name.number
      ORDER BY segment.journal_id, segment.number`,
    params,
  );
  const parts = await tx.query<
    SegmentName & { session_id: string; positions: number[]; leaves: Buffer; privates: Buffer | null }
  >(
    `SELECT part.journal_id AS journal, part.number, part.session_id, part.positions, part.leaves, part.privates
       FROM unnest($2::uuid[], $3::bigint[]) AS name (journal, number)
       JOIN segment_session AS part
         ON part.tenant_id = $1 AND part.journal_id = name.journal AND part.number = name.number
      ORDER BY part.journal_id, part.number, part.session_id`,
    params,
  );
  const sessions = new Map<string, StoredSessionPart[]>();
  for (const { journal, number, session_id, positions, leaves, privates } of parts) {
    const name = segmentKey({ journal, number });
    const rows = sessions.get(name) ?? [];
    sessions.set(name, rows);
    const session = session_id === NO_SESSION ? undefined : session_id;
    rows.push({ session, positions, leaves, private: privates ?? undefined });
  }
  return new Map(
    segments.map((row) => [
      segmentKey(row),
      { kind: "segment" as const, ...row, sessions: sessions.get(segmentKey(row)) ?? [] },
    ]),
  );
}

/** Names a segment among log entries. */
export function segmentKey({ journal, number }: SegmentName): string {
  return `segment/${journal}/${number}`;
}
