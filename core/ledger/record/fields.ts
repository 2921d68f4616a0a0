import {
  isDigest,
  isHash,
  isName,
  isPod,
  isRecordId,
  isRequestId,
  isTrue,
  isUuid,
  isUuid7,
  isVersion,
  isWhole,
} from "../guards.ts";
import { type Guard, listOf, oneOf, optional, required, shaped } from "../shape.ts";
import type {
  Amendment,
  Erasure,
  Gap,
  JournalRange,
  LedgerRecord,
  RecordSource,
  RecordType,
  SegmentRange,
} from "./types.ts";

/** As many as fit into a record. */
const MAX_LIST = 512;

const FIXED_TYPES: ReadonlySet<string> = new Set<RecordType>([
  "session.open",
  "session.close",
  "session.amend",
  "decision",
  "action",
  "gap",
  "subject.erased",
  "retention.dropped",
  "journal.open",
  "journal.close",
]);
const OPEN_TYPE = /^(identity|policy)\.[a-z][a-z0-9]*([.-][a-z0-9]+)*$/;

function isType(value: unknown): value is RecordType {
  return typeof value === "string" && (FIXED_TYPES.has(value) || (value.length <= 64 && OPEN_TYPE.test(value)));
}

export const isJournalRange: Guard<JournalRange> = shaped<JournalRange>({
  journal: required(isUuid7),
  first: required(isWhole),
  last: required(isWhole),
  count: required(isWhole),
});

const isSegmentRange: Guard<SegmentRange> = shaped<SegmentRange>({
  journal: required(isUuid7),
  first: required(isWhole),
  last: required(isWhole),
});

const isErasureShape = shaped<Erasure>({
  sessions: optional(listOf(isUuid7, MAX_LIST)),
  records: optional(listOf(isRecordId, MAX_LIST)),
  before: optional(isWhole),
  segments: optional(listOf(isSegmentRange, MAX_LIST)),
  except: optional(listOf(isUuid7, MAX_LIST)),
});

function isErasure(value: unknown): value is Erasure {
  return isErasureShape(value) && Object.values(value).some((part) => part !== undefined);
}

type FieldName = keyof LedgerRecord;

const GUARDS: { readonly [K in FieldName]-?: Guard<Exclude<LedgerRecord[K], undefined>> } = {
  action: isName,
  at: isWhole,
  block: shaped<Amendment>({ number: required(isWhole), journals: required(listOf(isJournalRange, MAX_LIST)) }),
  decision: oneOf("Allow", "Deny"),
  erased: isErasure,
  gap: shaped<Gap>({ journal: required(isUuid7), from: required(isWhole), lost: optional(isWhole) }),
  id: isRecordId,
  pod: isPod,
  policy: isDigest,
  prev: isHash,
  private: isHash,
  reason: isName,
  request: isRequestId,
  rule: isName,
  session: isUuid7,
  shadow: isTrue,
  source: oneOf<RecordSource>("sidecar", "app", "identity", "operator", "cli"),
  stale: isTrue,
  statement: isHash,
  tenant: isUuid,
  type: isType,
  v: isVersion,
};

type Field = { readonly bit: number; readonly is: Guard<unknown> };

// A map, so that a key like __proto__ or constructor finds nothing.
const FIELDS: ReadonlyMap<string, Field> = new Map(
  Object.entries(GUARDS).map(([name, is], index) => [name, { bit: 1 << index, is }]),
);

function bits(...names: readonly FieldName[]): number {
  return names.reduce((mask, name) => mask | (FIELDS.get(name)?.bit ?? 0), 0);
}

type Fields = { readonly must: number; readonly may: number };

function fields(must: readonly FieldName[], may: readonly FieldName[] = []): Fields {
  const all = bits("v", "id", "type", "at", "tenant", "source", ...must);
  return { must: all, may: all | bits("pod", "private", ...may) };
}

// Which fields a record of each type has, besides the common ones.
const BY_TYPE: Readonly<Record<string, Fields>> = {
  "session.open": fields(["session", "statement"], ["prev"]),
  "session.close": fields(["session", "reason"], ["prev"]),
  "session.amend": fields(["session", "block"], ["prev"]),
  decision: fields(
    ["decision"],
    ["session", "prev", "request", "rule", "action", "reason", "policy", "stale", "shadow"],
  ),
  action: fields(["session", "action"], ["prev", "request", "rule"]),
  gap: fields(["gap"], ["reason"]),
  "subject.erased": fields(["erased"]),
  "retention.dropped": fields(["erased"]),
  "journal.open": fields([]),
  "journal.close": fields([], ["reason"]),
};
const TYPE = bits("type");
const PREV = bits("prev");
const SESSION = bits("session");
const IDENTITY = fields([], ["session", "prev", "request"]);
const POLICY = fields([], ["policy"]);

/**
 * Names what is wrong with a record's fields, or gives undefined. Undefined fields count as absent.
 * The builder and the parser both ask here, so that nothing can be written that would not be read.
 */
export function recordFault(record: Readonly<Record<string, unknown>>): string | undefined {
  let mask = 0;
  for (const name in record) {
    const value = record[name];
    if (value === undefined) continue;
    const field = FIELDS.get(name);
    if (field === undefined) return "a field that is not known";
    if (!field.is(value)) return `${name} is not valid`;
    mask |= field.bit;
  }
  if ((mask & TYPE) === 0) return "type is missing";
  const type = record["type"] as string;
  const { must, may } = BY_TYPE[type] ?? (type.startsWith("identity.") ? IDENTITY : POLICY);
  if ((mask & must) !== must) return "a field that its type must have is missing";
  if ((mask & ~may) !== 0) return "a field that its type does not have";
  if ((mask & PREV) !== 0 && (mask & SESSION) === 0) return "prev without session";
  return undefined;
}
