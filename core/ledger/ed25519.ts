import { createPublicKey, KeyObject, sign, verify } from "node:crypto";
import { LedgerError } from "./errors.ts";

/** Domains of what is signed; a signature over one kind never passes for another. */
export type MessageKind = "registration" | "segment" | "block" | "key" | "recovery" | "session";

/** An Ed25519 public key: node's, or its 32 raw bytes. */
export type PublicKey = KeyObject | Uint8Array;

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410, section 4).
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/**
 * An Ed25519 public key from its 32 raw bytes.
 * @throws LedgerError KeyInvalid
 */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== PUBLIC_KEY_BYTES) throw new LedgerError("KeyInvalid", "an Ed25519 public key has 32 bytes");
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
}

/**
 * The 32 raw bytes of an Ed25519 key; of a private key those of its public half.
 * @throws LedgerError KeyInvalid for any other kind of key
 */
export function rawPublicKey(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== "ed25519") throw new LedgerError("KeyInvalid", "not an Ed25519 key");
  const half = key.type === "private" ? createPublicKey(key) : key;
  return half.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}

/** `"heauth <kind> v1\n" ‖ body`: what is signed, and what the log holds. */
export function signedMessage(kind: MessageKind, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`heauth ${kind} v1\n`), body]);
}

/** Signs bytes as they are. `key` is an Ed25519 private key. */
export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(null, bytes, key);
}

/** Is this the key's signature over these bytes? */
export function verifyBytes(bytes: Uint8Array, signature: Uint8Array, key: PublicKey): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return verify(null, bytes, key instanceof KeyObject ? key : publicKeyOf(key), signature);
}

/** Signs a body in its domain (see `signedMessage`). */
export function signMessage(kind: MessageKind, body: Uint8Array, key: KeyObject): Buffer {
  return signBytes(signedMessage(kind, body), key);
}

/** Is this the key's signature over the body in its domain? */
export function verifyMessage(kind: MessageKind, body: Uint8Array, signature: Uint8Array, key: PublicKey): boolean {
  return verifyBytes(signedMessage(kind, body), signature, key);
}
