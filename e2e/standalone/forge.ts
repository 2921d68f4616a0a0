import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseServerSecretsFile } from "@heauth/core/keys";
import { deriveSessionKeyPair } from "@heauth/core/sessions";
import { type AccessTokenClaims, type TagKey, tagOf } from "@heauth/core/tokens";
import type { Login } from "./people.ts";
import type { Rows } from "./rows.ts";

/** A part of a token: fields over the usual ones (undefined takes one away), or the very bytes. */
export type Part = Readonly<Record<string, unknown>> | string | Buffer;

export interface Forgery {
  readonly header?: Part;
  readonly payload?: Part;
  /** The session's own key unless given. */
  readonly key?: KeyObject;
}

/** Makes tokens as only identity can: with a session's real key, so that in each of them only the one thing is wrong. */
export interface Forge {
  readonly login: Login;
  readonly claims: AccessTokenClaims;
  readonly privateKey: KeyObject;
  /** 32 raw bytes. */
  readonly publicKey: Buffer;
  readonly sessionKey: Buffer;
  readonly serverSecret: Buffer;
  readonly tagKey: TagKey;
  kid(session?: string): string;
  token(forgery?: Forgery): string;
}

/** Takes the session's key from its row and the server secret from `DIR/keys`, which nobody but identity has both of. */
export async function createForge(rows: Rows, data: string, login: Login): Promise<Forge> {
  const { tenantId: tenant, session, accessToken } = login;
  const [row] = await rows.query<{ key: Buffer; server_secret: string }>(
    "SELECT key, server_secret FROM session_key WHERE (tenant_id, session_id) = ($1, $2)",
    [tenant, session],
  );
  const [tagKey] = await rows.query<TagKey>(
    "SELECT id, key FROM tag_key WHERE tenant_id = $1 ORDER BY created_at DESC",
    [tenant],
  );
  if (row === undefined || tagKey === undefined) throw new Error(`session ${session} has no key`);
  const secrets = parseServerSecretsFile(await readFile(join(data, "keys", "server-secrets.json"), "utf8"));
  const serverSecret = secrets.get(row.server_secret).secret;
  const { privateKey, publicKey } = deriveSessionKeyPair({ sessionKey: row.key, serverSecret, tenant, session });
  const [, payload = ""] = accessToken.split(".");
  const claims: AccessTokenClaims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const kid = (sid = session) => `${sid}.${tagOf(tagKey, sid)}`;

  return {
    login,
    claims,
    privateKey,
    publicKey,
    sessionKey: row.key,
    serverSecret,
    tagKey,
    kid,
    token({ header = {}, payload = {}, key = privateKey } = {}) {
      const usual = { alg: "Ed25519", typ: "at+jwt", kid: kid() };
      const signed = `${encoded(header, usual)}.${encoded(payload, claims)}`;
      return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
    },
  };
}

function encoded(part: Part, usual: object): string {
  const bytes = typeof part === "string" || Buffer.isBuffer(part) ? part : JSON.stringify({ ...usual, ...part });
  return Buffer.from(bytes as string).toString("base64url");
}

/** A key pair of an attacker's own, from 32 bytes. */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  // PrivateKeyInfo of an Ed25519 key up to its seed (RFC 8410, section 7).
  const key = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}
