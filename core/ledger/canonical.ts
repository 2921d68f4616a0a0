import { isUtf8 } from "node:buffer";
import { LedgerError } from "./errors.ts";

/** The part of JSON that the ledger uses: no nulls, no floats. */
export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json | undefined };

function byCodeUnits([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

// Far more than any document of the ledger nests; keeps hostile input off the call stack.
const MAX_DEPTH = 8;

/**
 * The RFC 8785 (JCS) form. Fields that are undefined are left out. The keys are written one by one, because a plain object
 * would put integer-like keys first.
 * @throws LedgerError DocumentInvalid for what the ledger's JSON does not have: nulls, floats, unsafe integers, lone surrogates
 */
export function canonicalJson(value: Json, depth = 0): string {
  if (depth > MAX_DEPTH) throw new LedgerError("DocumentInvalid", "nested too deeply");
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new LedgerError("DocumentInvalid", "a string has a lone surrogate");
      return JSON.stringify(value);
    case "number":
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
        throw new LedgerError("DocumentInvalid", "a number is not an integer below 2^53");
      }
      return String(value);
    case "boolean":
      return String(value);
    case "object":
      if (value === null) break;
      if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(",")}]`;
      return `{${Object.entries(value)
        .filter((entry): entry is [string, Json] => entry[1] !== undefined)
        .sort(byCodeUnits)
        .map(([key, field]) => `${canonicalJson(key)}:${canonicalJson(field, depth + 1)}`)
        .join(",")}}`;
  }
  throw new LedgerError("DocumentInvalid", "a value has no place in the ledger's JSON");
}

/** The canonical form's UTF-8 bytes. */
export function canonicalBytes(value: Json): Buffer {
  return Buffer.from(canonicalJson(value));
}

/**
 * UTF-8 to text, strictly.
 * @throws LedgerError DocumentInvalid
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new LedgerError("DocumentInvalid", "not UTF-8");
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("utf8");
}

/**
 * JSON to a value, without the foreign error.
 * @throws LedgerError DocumentInvalid
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LedgerError("DocumentInvalid", "not JSON", { cause });
  }
}

/**
 * Reads canonical JSON; anything that is not exactly the canonical form of its value is refused (also doubled keys).
 * @throws LedgerError DocumentInvalid
 */
export function parseCanonical(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  const value = parseJson(text);
  if (canonicalJson(value as Json) !== text) throw new LedgerError("DocumentInvalid", "not in canonical form");
  return value;
}
