import { createPublicKey, type KeyObject } from "node:crypto";
import { deriveSessionKeyPair, newSessionKey } from "../../sessions/session-key.ts";
import { mintAccessToken } from "../access-token.ts";
import type { AccessTokenClaims } from "../claims.ts";
import { newTagKey, type TagKey } from "../tag.ts";

export const TENANT = "01920000-0000-7000-8000-00000000000a";
export const SESSION = "01920000-0000-7000-8000-000000000001";
export const USER = "01920000-0000-7000-8000-0000000000aa";
/** 2026-11-20T12:00:00Z, in seconds. */
export const NOW = 1_795_176_000;

/** A session with all that signs for it. */
export interface TestSession {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly tagKey: TagKey;
  readonly claims: AccessTokenClaims;
  mint(changes?: Partial<AccessTokenClaims>): string;
}

export function testSession(): TestSession {
  const material = { sessionKey: newSessionKey(), serverSecret: Buffer.alloc(32, 7), tenant: TENANT, session: SESSION };
  const { privateKey } = deriveSessionKeyPair(material);
  const tagKey = newTagKey();
  const claims: AccessTokenClaims = {
    iss: "https://id.example",
    aud: ["shop", "heauth"],
    sub: USER,
    client_id: "heauth",
    tenant: TENANT,
    sid: SESSION,
    roles: ["doctor"],
    iat: NOW,
    nbf: NOW,
    exp: NOW + 600,
    jti: "01920000-0000-7000-8000-0000000000ff",
    auth_time: NOW,
    amr: ["pwd"],
  };
  return {
    privateKey,
    publicKey: createPublicKey(privateKey),
    tagKey,
    claims,
    mint: (changes) => mintAccessToken({ ...claims, ...changes }, { privateKey, tagKey }),
  };
}
