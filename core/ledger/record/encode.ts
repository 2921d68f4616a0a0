import { LedgerError } from "../errors.ts";
import { HASH_BYTES, sha256 } from "../hash.ts";
import { recordFault } from "./fields.ts";
import { MAX_RECORD_BYTES } from "./limit.ts";
import { commitment, encodePrivatePart } from "./private-part.ts";
import type { RecordInput, RecordType } from "./types.ts";

/** Where a record stands: its journal's next place, and the session's link. */
export type RecordPlace = {
  readonly tenant: string;
  readonly journal: string;
  readonly seq: number;
  /** base64url leaf of the session's previous record in this journal */
  readonly prev: string | undefined;
};

/** A record's bytes, ready to be stored. */
export type EncodedRecord = {
  readonly seq: number;
  readonly type: RecordType;
  readonly at: number;
  readonly session: string | undefined;
  readonly bytes: Buffer;
  readonly leaf: Buffer;
  /** salt ‖ private bytes */
  readonly private: Buffer | undefined;
};

/** Every field that some input has; reading through it spares a branch for each type. */
type AnyInput = Partial<
  Record<"session" | "request" | "rule" | "action" | "reason" | "policy" | "decision", string> &
    Record<"stale" | "shadow", true> & { statement: Uint8Array } & Record<"gap" | "block" | "erased", object>
> &
  Pick<RecordInput, "at" | "type" | "source" | "pod" | "private">;

/** `gap`, `block` and `erased` with their keys in canonical order. */
function ordered(input: RecordInput): Pick<AnyInput, "gap" | "block" | "erased"> {
  switch (input.type) {
    case "gap": {
      const { from, journal, lost } = input.gap;
      return { gap: { from, journal, lost } };
    }
    case "session.amend": {
      const { journals, number } = input.block;
      const ranges = journals.map(({ count, first, journal, last }) => ({ count, first, journal, last }));
      return { block: { journals: ranges, number } };
    }
    case "subject.erased":
    case "retention.dropped": {
      const { before, except, records, segments, sessions } = input.erased;
      const ranges = segments?.map(({ first, journal, last }) => ({ first, journal, last }));
      return { erased: { before, except, records, segments: ranges, sessions } };
    }
    default:
      return NOTHING;
  }
}
const NOTHING = {};

function encodedHash(hash: Uint8Array): string {
  if (hash.length !== HASH_BYTES) throw new LedgerError("RecordInvalid", "a hash has 32 bytes");
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("base64url");
}

/**
 * The one place that makes a record's bytes. The literal below has its keys in canonical order, so JSON.stringify writes the
 * RFC 8785 form; the leading NUL is the leaf's prefix, so that bytes and hash come from one buffer.
 * @throws LedgerError RecordInvalid, RecordTooLarge; nothing is written then and the place stays free
 */
export function encodeRecord(input: RecordInput, place: RecordPlace): EncodedRecord {
  const any: AnyInput = input;
  const nested = ordered(input);
  const salted = input.private === undefined ? undefined : encodePrivatePart(input.private);
  const record = {
    action: any.action,
    at: any.at,
    block: nested.block,
    decision: any.decision,
    erased: nested.erased,
    gap: nested.gap,
    id: `${place.journal}/${place.seq}`,
    pod: any.pod,
    policy: any.policy,
    prev: place.prev,
    private: salted === undefined ? undefined : commitment(salted).toString("base64url"),
    reason: any.reason,
    request: any.request,
    rule: any.rule,
    session: any.session,
    shadow: any.shadow,
    source: any.source,
    stale: any.stale,
    statement: any.statement === undefined ? undefined : encodedHash(any.statement),
    tenant: place.tenant,
    type: any.type,
    v: 1,
  };
  const fault = recordFault(record);
  if (fault !== undefined) throw new LedgerError("RecordInvalid", fault);
  const prefixed = Buffer.from(`\0${JSON.stringify(record)}`);
  if (prefixed.length - 1 > MAX_RECORD_BYTES) throw new LedgerError("RecordTooLarge", "a record has at most 16 KiB");
  return {
    seq: place.seq,
    type: any.type,
    at: any.at,
    session: any.session,
    bytes: prefixed.subarray(1),
    leaf: sha256(prefixed),
    private: salted,
  };
}
