import { hash } from "node:crypto";
import { LedgerError } from "../errors.ts";
import { HASH_BYTES } from "../hash.ts";
import { type PackedPart, unpackPrivateParts } from "../record/pack.ts";
import type { LedgerRecord } from "../record/types.ts";
import type { Context } from "./context.ts";
import type { ErasureBook } from "./erasure-book.ts";
import type { FoundAt } from "./report.ts";
import type { ContentRecord } from "./segment-content.ts";
import type { SegmentName, StoredSegment, StoredSessionPart } from "./source.ts";

/** Stands for "no session" as a key. */
const NONE = "";

type Cursor = {
  readonly row: StoredSessionPart;
  readonly parts: readonly PackedPart[] | undefined;
  readonly broken: boolean;
  next: number;
  nextPart: number;
  reported: boolean;
  missing: boolean;
};

/** Holds the rows beside a segment against its records: which records are whose, and every private part. */
export class SessionRows {
  readonly #context: Context;
  readonly #erasures: ErasureBook;
  readonly #segment: SegmentName;
  readonly #place: FoundAt;
  readonly #cursors = new Map<string, Cursor>();

  constructor(context: Context, erasures: ErasureBook, row: StoredSegment, index: number | undefined) {
    this.#context = context;
    this.#erasures = erasures;
    this.#segment = { journal: row.journal, number: row.number };
    this.#place = { index, ...this.#segment };
    for (const part of row.sessions) this.#open(part);
  }

  #open(row: StoredSessionPart): void {
    const key = row.session ?? NONE;
    if (this.#cursors.has(key)) this.#index(row.session, "the session has two rows beside the segment");
    let parts: PackedPart[] | undefined;
    let broken = false;
    try {
      parts = row.private === undefined ? undefined : unpackPrivateParts(row.private);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      broken = true;
      this.#report("PrivatePartAltered", row.session, undefined, error.message);
    }
    this.#cursors.set(key, { row, parts, broken, next: 0, nextPart: 0, reported: false, missing: false });
  }

  /** The session of a record whose own bytes don't tell it any more. */
  sessionAt(position: number): string | undefined {
    for (const { row } of this.#cursors.values()) if (row.positions.includes(position)) return row.session;
    return undefined;
  }

  /** The next record, at this index in the segment. */
  take(position: number, { seq, leaf, record }: ContentRecord, session: string | undefined): void {
    const cursor = this.#cursors.get(session ?? NONE);
    if (cursor === undefined) {
      this.#index(session, "a row beside the segment is missing", seq);
      return;
    }
    const { row } = cursor;
    const from = cursor.next * HASH_BYTES;
    const listed = row.leaves.subarray(from, from + HASH_BYTES);
    if (row.positions[cursor.next] !== position || Buffer.compare(listed, leaf) !== 0) this.#indexOnce(cursor, seq);
    cursor.next++;
    const part = this.#partAt(cursor, position, seq);
    if (record !== undefined && !cursor.broken) this.#private(cursor, part, record, seq);
  }

  #partAt(cursor: Cursor, position: number, seq: number): PackedPart | undefined {
    let part = cursor.parts?.[cursor.nextPart];
    while (part !== undefined && part.index < position) {
      this.#report("PrivatePartAltered", cursor.row.session, seq, "a private part that belongs to no record here");
      part = cursor.parts?.[++cursor.nextPart];
    }
    if (part?.index !== position) return undefined;
    cursor.nextPart++;
    return part;
  }

  #private(cursor: Cursor, part: PackedPart | undefined, record: LedgerRecord, seq: number): void {
    const { counts } = this.#context.report;
    if (record.private === undefined) {
      if (part !== undefined)
        this.#report("PrivatePartAltered", record.session, seq, "a private part nobody committed to");
    } else if (part !== undefined) {
      counts.privateParts++;
      if (hash("sha256", part.salted, "base64url") !== record.private) {
        this.#report("PrivatePartAltered", record.session, seq, "the private part is not the one committed to");
      }
    } else if (this.#erasures.covers(record, this.#segment.journal, this.#segment.number)) {
      counts.erased++;
    } else if (!cursor.missing) {
      // An erased row lacks them all: one finding tells of it.
      cursor.missing = cursor.parts === undefined;
      this.#report("PrivatePartMissing", record.session, seq, "the private part is absent, and no erasure is logged");
    }
  }

  /** After the last record. */
  end(): void {
    for (const cursor of this.#cursors.values()) {
      const { row, parts, next, nextPart, broken } = cursor;
      if (next === 0 || next !== row.positions.length || row.leaves.length !== next * HASH_BYTES)
        this.#indexOnce(cursor, undefined);
      if (!broken && parts !== undefined && nextPart < parts.length) {
        this.#report("PrivatePartAltered", row.session, undefined, "a private part that belongs to no record here");
      }
    }
  }

  #indexOnce(cursor: Cursor, seq: number | undefined): void {
    if (cursor.reported) return;
    cursor.reported = true;
    this.#index(cursor.row.session, "the row beside the segment does not list the session's records", seq);
  }

  #index(session: string | undefined, message: string, seq?: number): void {
    this.#report("IndexAltered", session, seq, message);
  }

  #report(
    kind: "IndexAltered" | "PrivatePartAltered" | "PrivatePartMissing",
    session: string | undefined,
    seq: number | undefined,
    message: string,
  ): void {
    const place = {
      ...this.#place,
      session,
      seq,
    };
    this.#context.report.found(kind, place, message);
  }
}
