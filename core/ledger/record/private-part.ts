import { canonicalJson, type Json } from "../canonical.ts";
import { LedgerError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { type Guard, listOf, optional, parseDocument, type Shape } from "../shape.ts";
import { cutPrivatePart } from "./cut.ts";
import { MAX_RECORD_BYTES } from "./limit.ts";
import { SALT_BYTES, writeSalt } from "./salt.ts";
import type { PrivatePart, StoredPrivatePart } from "./types.ts";

function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed();
}

const isDetails: Guard<Readonly<Record<string, string>>> = (value): value is Readonly<Record<string, string>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(([key, text]) => isText(key) && isText(text));

const SHAPE: Shape<StoredPrivatePart> = {
  cut: optional(listOf(isText, 16)),
  details: optional(isDetails),
  email: optional(isText),
  host: optional(isText),
  login: optional(isText),
  method: optional(isText),
  path: optional(isText),
  peer: optional(isText),
  query: optional(isText),
  user: optional(isText),
  userAgent: optional(isText),
};

function wellFormed(text: string | undefined): string | undefined {
  return text?.toWellFormed();
}

/** Fields in canonical order, so that JSON.stringify writes the canonical form; details have keys of their own. */
function privateJson(part: StoredPrivatePart): string {
  const ordered = {
    cut: part.cut,
    details: part.details,
    email: wellFormed(part.email),
    host: wellFormed(part.host),
    login: wellFormed(part.login),
    method: wellFormed(part.method),
    path: wellFormed(part.path),
    peer: wellFormed(part.peer),
    query: wellFormed(part.query),
    user: wellFormed(part.user),
    userAgent: wellFormed(part.userAgent),
  };
  if (part.details === undefined) return JSON.stringify(ordered);
  const details = Object.entries(part.details).map(([key, text]) => [key.toWellFormed(), text.toWellFormed()]);
  return canonicalJson({ ...ordered, details: Object.fromEntries(details) } as Json);
}

/** Salt ‖ canonical bytes of a private part, at most 16 KiB of the latter: longer fields are cut and named in `cut`. */
export function encodePrivatePart(part: PrivatePart): Buffer {
  let json = privateJson(part);
  let length = Buffer.byteLength(json);
  if (length > MAX_RECORD_BYTES) {
    json = privateJson(cutPrivatePart(part));
    length = Buffer.byteLength(json);
  }
  const salted = Buffer.allocUnsafe(SALT_BYTES + length);
  writeSalt(salted);
  salted.write(json, SALT_BYTES);
  return salted;
}

/** What a record's `private` says: the hash of salt ‖ private bytes, as 32 raw bytes. */
export function commitment(salted: Uint8Array): Buffer {
  return sha256(salted);
}

/**
 * Reads a stored private part (salt ‖ bytes).
 * @throws LedgerError RecordInvalid, DocumentInvalid
 */
export function parsePrivatePart(salted: Uint8Array): StoredPrivatePart {
  if (salted.length < SALT_BYTES || salted.length > SALT_BYTES + MAX_RECORD_BYTES) {
    throw new LedgerError("RecordInvalid", "a private part of that length cannot be");
  }
  return parseDocument("private part", salted.subarray(SALT_BYTES), SHAPE);
}
