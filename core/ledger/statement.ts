import { verifyMessage } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isKeyId, isUuid, isUuid7, isVersion, isWhole } from "./guards.ts";
import type { PinnedKeys } from "./keys.ts";
import { oneOf, parseDocument, required, type Shape } from "./shape.ts";

/** What identity signs at a login. `key` is base64url, times µs. */
export type SessionStatement = {
  readonly v: 1;
  readonly tenant: string;
  readonly session: string;
  readonly kind: "User" | "Tenant";
  /** the user's id; the tenant's for its own session */
  readonly user: string;
  readonly key: string;
  readonly opened: number;
  readonly expires: number;
  readonly signer: string;
};

/** A session statement's bytes with identity's signature. */
export type SignedStatement = { readonly body: Uint8Array; readonly signature: Uint8Array };

const SHAPE: Shape<SessionStatement> = {
  v: required(isVersion),
  tenant: required(isUuid),
  session: required(isUuid7),
  kind: required(oneOf("User", "Tenant")),
  user: required(isUuid),
  key: required(isHash),
  opened: required(isWhole),
  expires: required(isWhole),
  signer: required(isKeyId),
};

/**
 * Is the statement signed by a pinned key of identity's?
 * @throws LedgerError DocumentInvalid, KeyInvalid, SignatureInvalid
 */
export function verifyStatement(signed: SignedStatement, pinned: PinnedKeys): SessionStatement {
  const statement = parseDocument("session statement", signed.body, SHAPE);
  const signer = pinned.get(statement.signer);
  if (signer?.program !== "identity") {
    throw new LedgerError("KeyInvalid", `session statement: ${statement.signer} is not a pinned key of identity`);
  }
  if (!verifyMessage("session", signed.body, signed.signature, signer.key)) {
    throw new LedgerError("SignatureInvalid", "session statement: the signature is not valid");
  }
  return statement;
}
