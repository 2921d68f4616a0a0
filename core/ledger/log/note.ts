import { SIGNATURE_BYTES, verifyBytes } from "../ed25519.ts";
import { LedgerError } from "../errors.ts";
import { sha256 } from "../hash.ts";

/** Signature type of plain Ed25519 in C2SP signed-note. */
const ED25519 = 0x01;
const KEY_ID_BYTES = 4;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 100;

/** One signature line: whose, by which key, and the signature itself. */
export type NoteSignature = { readonly name: string; readonly keyId: Buffer; readonly signature: Buffer };

/** A signed note (C2SP signed-note): the text with its last newline, and its signatures. */
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] };

/** A key with the name it signs notes with: its 32 raw public bytes. */
export type NoteKey = { readonly name: string; readonly publicKey: Uint8Array };

/** A note key that can sign. */
export type NoteSigner = NoteKey & { readonly signBytes: (bytes: Uint8Array) => Uint8Array };

/** SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), first four bytes. */
export function noteKeyId({ name, publicKey }: NoteKey): Buffer {
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), publicKey]));
  return id.subarray(0, KEY_ID_BYTES);
}

function fail(problem: string): never {
  throw new LedgerError("NoteInvalid", problem);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f]/;

/** Signs a text (which ends with a newline); gives the whole note. */
export function signNote(text: string, signer: NoteSigner): string {
  if (!text.endsWith("\n") || CONTROL.test(text))
    fail("a note's text ends with a newline and has no control characters");
  const signature = signer.signBytes(Buffer.from(text));
  return `${text}\n— ${signer.name} ${Buffer.concat([noteKeyId(signer), signature]).toString("base64")}\n`;
}

const SIGNATURE_LINE = /^— ([^\s+\p{Z}]+) ([A-Za-z0-9+/]+={0,2})$/u;

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
  if (name === undefined || encoded === undefined) fail("a signature line is malformed");
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded || bytes.length <= KEY_ID_BYTES) fail("a signature line is malformed");
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

/** @throws LedgerError NoteInvalid */
export function parseNote(note: string): Note {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) fail("too long");
  if (!note.isWellFormed() || CONTROL.test(note)) fail("not plain text");
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) fail("no signatures");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) fail("too many signatures");
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

/**
 * The names of the known keys that signed. Signatures by other keys count for nothing; a known key's invalid one is refused.
 * @throws LedgerError SignatureInvalid, NoteInvalid (the same key twice)
 */
export function verifyNote(note: Note, known: readonly NoteKey[]): string[] {
  const signers: string[] = [];
  for (const key of known) {
    const keyId = noteKeyId(key);
    const own = note.signatures.filter((line) => line.name === key.name && line.keyId.equals(keyId));
    const [line] = own;
    if (line === undefined) continue;
    if (own.length > 1) fail("signed twice by the same key");
    if (
      line.signature.length !== SIGNATURE_BYTES ||
      !verifyBytes(Buffer.from(note.text), line.signature, key.publicKey)
    ) {
      throw new LedgerError("SignatureInvalid", `the signature of ${key.name} is not valid`);
    }
    signers.push(key.name);
  }
  return signers;
}
