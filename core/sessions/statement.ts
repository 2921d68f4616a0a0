import type { KeyObject } from "node:crypto";
import * as z from "zod";
import { canonicalBytes, parseCanonical } from "../ledger/canonical.ts";
import { PUBLIC_KEY_BYTES, verifyMessage } from "../ledger/ed25519.ts";
import { LedgerError } from "../ledger/errors.ts";

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

const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const bodySchema = z.strictObject({
  v: z.literal(1),
  tenant: uuid,
  session: uuid,
  kind: z.enum(["User", "Tenant"]),
  user: uuid,
  key: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  opened: z.int().min(0),
  expires: z.int().min(0),
  signer: z.string().min(1).max(64),
});

/** Reads a statement's bytes without looking at any signature; undefined when they are not a statement. */
export function parseSessionStatement(bytes: Uint8Array): SessionStatement | undefined {
  const body = bodySchema.safeParse(canonicalValue(bytes));
  if (!body.success) return undefined;
  const { v: _, key, ...fields } = body.data;
  const publicKey = Buffer.from(key, "base64url");
  if (publicKey.length !== PUBLIC_KEY_BYTES || publicKey.toString("base64url") !== key) return undefined;
  return { ...fields, publicKey };
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
  const statement = parseSessionStatement(bytes);
  if (statement === undefined) return undefined;
  if (statement.tenant !== expected.tenant || statement.session !== expected.session) return undefined;
  const key = identityKeys.get(statement.signer);
  if (key === undefined || !verifyMessage("session", bytes, signature, key)) return undefined;
  return statement;
}

function canonicalValue(bytes: Uint8Array): unknown {
  try {
    return parseCanonical(bytes);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
