import { canonicalBytes } from "./canonical.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isName, isUuid, isUuid7, isVersion, isWhole } from "./guards.ts";
import { HASH_BYTES } from "./hash.ts";
import { isJournalRange } from "./record/fields.ts";
import type { JournalRange } from "./record/types.ts";
import { listOf, optional, parseDocument, required, type Shape } from "./shape.ts";
import { treeHash } from "./tree.ts";

/** A closed session's header. Hashes are base64url, times µs. */
export type BlockHeader = {
  readonly v: 1;
  readonly tenant: string;
  readonly number: number;
  readonly session: string;
  readonly opened: number;
  readonly closed: number;
  readonly reason: string;
  readonly count: number;
  readonly root: string;
  readonly journals: readonly JournalRange[];
  /** SHA-256 of the previous block header's bytes */
  readonly previous?: string;
};

/** A session's records in one journal: in which segments, and their leaves in seq order. */
export type SessionLeaves = {
  readonly journal: string;
  readonly first: number;
  readonly last: number;
  readonly leaves: readonly Uint8Array[];
};

/** What a block is made from. */
export type BlockDraft = {
  readonly tenant: string;
  readonly number: number;
  readonly session: string;
  readonly opened: number;
  readonly closed: number;
  readonly reason: string;
  /** all but `session.amend` records of the session, from every journal that has some */
  readonly journals: readonly SessionLeaves[];
  /** SHA-256 of the tenant's previous block header; none for number 0 */
  readonly previous?: Uint8Array;
};

const SHAPE: Shape<BlockHeader> = {
  v: required(isVersion),
  tenant: required(isUuid),
  number: required(isWhole),
  session: required(isUuid7),
  opened: required(isWhole),
  closed: required(isWhole),
  reason: required(isName),
  count: required(isWhole),
  root: required(isHash),
  journals: required(listOf(isJournalRange, 8192)),
  previous: optional(isHash),
};

/** Do the ranges ascend by journal, each with records, and count together what is said? */
export function rangesAgree(journals: readonly JournalRange[], count: number): boolean {
  const ascending = journals.every(
    (range, index) => index === 0 || (journals[index - 1]?.journal ?? "") < range.journal,
  );
  const sound = journals.every(({ first, last, count: own }) => first <= last && own > 0);
  return ascending && sound && journals.reduce((sum, range) => sum + range.count, 0) === count;
}

/** @throws LedgerError DocumentInvalid */
export function parseBlockHeader(header: Uint8Array): BlockHeader {
  const parsed = parseDocument("block header", header, SHAPE);
  if ((parsed.number === 0) !== (parsed.previous === undefined)) {
    throw new LedgerError("DocumentInvalid", "block header: previous is in every header but the first");
  }
  if (!rangesAgree(parsed.journals, parsed.count)) {
    throw new LedgerError("DocumentInvalid", "block header: journals and count do not agree");
  }
  return parsed;
}

/**
 * A closed session's header bytes; the root is the tree hash of its leaves in (journal, seq) order.
 * @throws LedgerError DocumentInvalid
 */
export function buildBlockHeader(draft: BlockDraft): Buffer {
  const { journals, previous, ...fields } = draft;
  if (previous !== undefined && previous.length !== HASH_BYTES) {
    throw new LedgerError("DocumentInvalid", "block header: a hash has 32 bytes");
  }
  const sorted = journals.toSorted((a, b) => (a.journal < b.journal ? -1 : 1));
  const leaves = sorted.flatMap((range) => range.leaves);
  const header = canonicalBytes({
    ...fields,
    v: 1,
    count: leaves.length,
    root: Buffer.from(treeHash(leaves)).toString("base64url"),
    journals: sorted.map(({ journal, first, last, leaves: own }) => ({ journal, first, last, count: own.length })),
    previous: previous === undefined ? undefined : Buffer.from(previous).toString("base64url"),
  });
  parseBlockHeader(header);
  return header;
}
