import { canonicalJson, decodeUtf8, type Json, parseJson } from "../canonical.ts";
import { LedgerError } from "../errors.ts";
import { recordFault } from "./fields.ts";
import { MAX_RECORD_BYTES } from "./limit.ts";
import type { LedgerRecord } from "./types.ts";

/** Keys in order and a plain JSON.stringify round trip: canonical, without building the canonical form again. */
function isCanonical(record: Readonly<Record<string, unknown>>, text: string): boolean {
  let before = "";
  for (const key in record) {
    if (key <= before) return false;
    if (typeof record[key] === "object") return canonicalJson(record as Json) === text;
    before = key;
  }
  return JSON.stringify(record) === text;
}

/**
 * Reads a record's bytes, strictly: canonical form, known fields, each valid, those of its type.
 * @throws LedgerError RecordInvalid, DocumentInvalid, RecordTooLarge
 */
export function parseRecord(bytes: Uint8Array): LedgerRecord {
  if (bytes.length > MAX_RECORD_BYTES) throw new LedgerError("RecordTooLarge", "a record has at most 16 KiB");
  const text = decodeUtf8(bytes);
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LedgerError("RecordInvalid", "not an object");
  }
  const record = value as Record<string, unknown>;
  if (!isCanonical(record, text)) throw new LedgerError("RecordInvalid", "not in canonical form");
  const fault = recordFault(record);
  if (fault !== undefined) throw new LedgerError("RecordInvalid", fault);
  return record as LedgerRecord;
}

/** `<journal>/<seq>` in its parts. The id must be a valid one. */
export function splitRecordId(id: string): { readonly journal: string; readonly seq: number } {
  const slash = id.indexOf("/");
  return { journal: id.slice(0, slash), seq: Number(id.slice(slash + 1)) };
}
