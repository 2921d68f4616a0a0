import type { KeyObject } from "node:crypto";
import { canonicalBytes } from "../ledger/canonical.ts";
import { LedgerError } from "../ledger/errors.ts";
import { pinnedKeys } from "../ledger/keys.ts";
import { verifyStatement } from "../ledger/statement.ts";

export type SessionKind = "User" | "Tenant";

/** What identity says of a session it opened: whose it is and which key signs its tokens. */
export interface SessionStatement {
  readonly tenant: string;
  readonly session: string;
  readonly kind: SessionKind;
  /** The user id; the tenant id for a tenant's own session. */
  readonly user: string;
  /** The session's public key, 32 raw bytes. */
  readonly publicKey: Buffer;
  /** µs since the epoch. */
  readonly opened: number;
  /** Absolute expiry, µs since the epoch. */
  readonly expires: number;
  /** Id of the program key of identity that signed it. */
  readonly signer: string;
}

/** A statement's bytes as they are stored and hashed, and identity's signature over them. */
export interface SignedStatement {
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

/** Who can sign statements: identity's program key. */
export interface StatementSigner {
  readonly id: string;
  sign(kind: "session", body: Uint8Array): Buffer;
}

/** Builds and signs a statement. */
export function signSessionStatement(
  statement: Omit<SessionStatement, "signer">,
  signer: StatementSigner,
): SignedStatement {
  const { publicKey, ...fields } = statement;
  const bytes = canonicalBytes({ v: 1, ...fields, key: publicKey.toString("base64url"), signer: signer.id });
  return { bytes, signature: signer.sign("session", bytes) };
}

/**
 * The statement, if it is one of this very session, signed by one of identity's pinned keys (id → public key); else undefined.
 * Whoever can write the database or the hub's answers can neither make one nor pass one off as another session's.
 */
export function verifySessionStatement(
  { bytes, signature }: { bytes: Uint8Array; signature: Uint8Array },
  identityKeys: ReadonlyMap<string, KeyObject>,
  expected: { tenant: string; session: string },
): SessionStatement | undefined {
  const pinned = pinnedKeys([...identityKeys].map(([id, key]) => ({ program: "identity", id, key })));
  const verified = verifiedBody({ body: bytes, signature }, pinned);
  if (verified?.tenant !== expected.tenant || verified.session !== expected.session) return undefined;
  const { v: _, key, ...fields } = verified;
  return { ...fields, publicKey: Buffer.from(key, "base64url") };
}

function verifiedBody(...signed: Parameters<typeof verifyStatement>): ReturnType<typeof verifyStatement> | undefined {
  try {
    return verifyStatement(...signed);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
