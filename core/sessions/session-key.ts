import { createPrivateKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { rawPublicKey } from "../ledger/ed25519.ts";

export const SESSION_KEY_BYTES = 32;

/** What a session's keys are derived from. Neither of the two secrets is enough. */
export interface SessionKeyMaterial {
  /** The session's own 32 random bytes, in the database as long as the session is open. */
  readonly sessionKey: Uint8Array;
  /** Identity's server secret, never in the database. */
  readonly serverSecret: Uint8Array;
  readonly tenant: string;
  readonly session: string;
}

/** The key pair that the session's access tokens are signed with. */
export interface SessionKeyPair {
  readonly privateKey: KeyObject;
  /** 32 raw bytes. */
  readonly publicKey: Buffer;
}

/** A new session key. */
export function newSessionKey(): Buffer {
  return randomBytes(SESSION_KEY_BYTES);
}

// PrivateKeyInfo of an Ed25519 key up to its seed (RFC 8410, section 7).
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** HKDF-SHA256 (RFC 5869): the Ed25519 key pair of the session. The same material gives the same pair. */
export function deriveSessionKeyPair(material: SessionKeyMaterial): SessionKeyPair {
  const seed = derive(material, "heauth session v1");
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: rawPublicKey(privateKey) };
}

/** HKDF-SHA256 (RFC 5869): the 32-byte key that the session's refresh tokens are authenticated with. */
export function deriveRefreshKey(material: SessionKeyMaterial): Buffer {
  return derive(material, "heauth refresh v1");
}

function derive({ sessionKey, serverSecret, tenant, session }: SessionKeyMaterial, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", sessionKey, serverSecret, `${purpose}|${tenant}|${session}`, 32));
}
