import { canonicalBytes } from "./canonical.ts";
import { type PublicKey, rawPublicKey, verifyMessage } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isKeyId, isUuid, isVersion, isWhole } from "./guards.ts";
import { isKeyProgram, type KeyProgram, type PinnedKey, type ProgramSigner, programKeyId } from "./keys.ts";
import { oneOf, parseDocument, required, type Shape } from "./shape.ts";

/** A program key comes into force or goes out of it. `key` is base64url, `at` µs. */
export type KeyChange = {
  readonly v: 1;
  readonly tenant: string;
  readonly program: KeyProgram;
  readonly id: string;
  readonly key: string;
  readonly at: number;
  readonly event: "Pinned" | "Retired";
};

/** A key change's bytes with the operator's signature. */
export type SignedKeyChange = { readonly body: Uint8Array; readonly signature: Uint8Array };

const SHAPE: Shape<KeyChange> = {
  v: required(isVersion),
  tenant: required(isUuid),
  program: required(isKeyProgram),
  id: required(isKeyId),
  key: required(isHash),
  at: required(isWhole),
  event: required(oneOf("Pinned", "Retired")),
};

/** @throws LedgerError DocumentInvalid, also when the id is not the key's */
export function parseKeyChange(body: Uint8Array): KeyChange {
  const parsed = parseDocument("key change", body, SHAPE);
  if (programKeyId(parsed.program, Buffer.from(parsed.key, "base64url")) !== parsed.id) {
    throw new LedgerError("DocumentInvalid", "key change: the id does not belong to the key");
  }
  return parsed;
}

/** Builds a key change; the operator's program key signs it. */
export function signKeyChange(
  change: { readonly tenant: string; readonly key: PinnedKey; readonly at: number; readonly event: KeyChange["event"] },
  operator: ProgramSigner,
): SignedKeyChange {
  const { key, ...fields } = change;
  const raw = rawPublicKey(key.key).toString("base64url");
  const body = canonicalBytes({ ...fields, v: 1, program: key.program, id: key.id, key: raw });
  parseKeyChange(body);
  return { body, signature: operator.sign("key", body) };
}

/** Is the key change signed by this (operator's) key? */
export function verifyKeyChange(signed: SignedKeyChange, operatorKey: PublicKey): boolean {
  return verifyMessage("key", signed.body, signed.signature, operatorKey);
}
