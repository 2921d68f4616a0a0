import type { KeyObject } from "node:crypto";
import { parseJson } from "./canonical.ts";
import { type MessageKind, PUBLIC_KEY_BYTES, publicKeyOf, rawPublicKey } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash } from "./guards.ts";
import { sha256 } from "./hash.ts";
import { oneOf } from "./shape.ts";

/** Programs that sign with a key of their own. */
export type KeyProgram = "identity" | "hub" | "operator" | "cli";

export const isKeyProgram = oneOf<KeyProgram>("identity", "hub", "operator", "cli");

/** A program key that signs. */
export interface ProgramSigner {
  readonly id: string;
  /** 32 raw bytes */
  readonly publicKey: Uint8Array;
  /** Signs a body in its domain. 64 bytes. */
  sign(kind: MessageKind, body: Uint8Array): Uint8Array;
  /** Signs bytes as they are, for formats with a domain of their own (checkpoints). 64 bytes. */
  signBytes(bytes: Uint8Array): Uint8Array;
}

/** A program key that the verifier trusts because it was pinned outside the database. */
export type PinnedKey = { readonly program: KeyProgram; readonly id: string; readonly key: KeyObject };

/** Pinned keys by their id. */
export type PinnedKeys = ReadonlyMap<string, PinnedKey>;

/** `<program>-<first 8 hex digits of SHA-256(public key)>`. */
export function programKeyId(program: KeyProgram, key: KeyObject | Uint8Array): string {
  const raw = key instanceof Uint8Array ? key : rawPublicKey(key);
  if (raw.length !== PUBLIC_KEY_BYTES) throw new LedgerError("KeyInvalid", "an Ed25519 public key has 32 bytes");
  return `${program}-${sha256(raw).toString("hex", 0, 4)}`;
}

/** A public key, raw or node's, as a pinned one. */
export function pinnedKey(program: KeyProgram, key: KeyObject | Uint8Array): PinnedKey {
  const raw = key instanceof Uint8Array ? key : rawPublicKey(key);
  return { program, id: programKeyId(program, raw), key: publicKeyOf(raw) };
}

export function pinnedKeys(keys: Iterable<PinnedKey>): PinnedKeys {
  return new Map([...keys].map((key) => [key.id, key]));
}

/** The text of `ledger-keys.json`. */
export function formatPinnedKeys(keys: PinnedKeys): string {
  const list = [...keys.values()].map(({ program, id, key }) => ({
    program,
    id,
    publicKey: rawPublicKey(key).toString("base64url"),
  }));
  return `${JSON.stringify({ v: 1, keys: list }, undefined, 2)}\n`;
}

function fail(problem: string): never {
  throw new LedgerError("KeysFileInvalid", problem);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readKey(entry: unknown, at: string): PinnedKey {
  if (!isObject(entry)) fail(`${at} is not an object, expected {"program", "id", "publicKey"}`);
  const { program, id, publicKey } = entry;
  if (!isKeyProgram(program)) fail(`${at}.program is not one of identity, hub, operator, cli`);
  if (!isHash(publicKey)) fail(`${at}.publicKey is not an Ed25519 public key: 32 bytes in base64url without padding`);
  const key = pinnedKey(program, Buffer.from(publicKey, "base64url"));
  if (id !== key.id) fail(`${at}.id does not belong to its publicKey, expected ${key.id}`);
  return key;
}

/**
 * Reads `ledger-keys.json`.
 * @throws LedgerError KeysFileInvalid, naming the entry and what is expected there
 */
export function parsePinnedKeys(text: string): PinnedKeys {
  let file: unknown;
  try {
    file = parseJson(text);
  } catch (cause) {
    throw new LedgerError("KeysFileInvalid", 'not JSON, expected {"v":1,"keys":[…]}', { cause });
  }
  if (!isObject(file)) fail('not an object, expected {"v":1,"keys":[…]}');
  if (file["v"] !== 1) fail("v is not 1: written by another version of heauth");
  const list = file["keys"];
  if (!Array.isArray(list) || list.length === 0) fail("keys is not a list with at least one key");
  const keys = list.map((entry: unknown, index) => readKey(entry, `keys[${index}]`));
  const pinned = pinnedKeys(keys);
  if (pinned.size !== keys.length) fail("keys holds a key twice");
  return pinned;
}
