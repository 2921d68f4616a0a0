import { type KeyObject, sign, verify } from "node:crypto";
import type { ReasonName } from "../policy/reasons.ts";
import { decodeBase64url } from "./base64url.ts";
import { type AccessTokenClaims, claimsOf } from "./claims.ts";
import { parseStrictObject } from "./strict-json.ts";
import { TAG_LENGTH, type TagKey, tagOf } from "./tag.ts";

/** RFC 9864: EdDSA with Ed25519, and nothing else. */
const ALGORITHM = "Ed25519";
/** RFC 9068, section 2.1. */
const TYPE = "at+jwt";
export const MAX_TOKEN_BYTES = 8192;
const SIGNATURE_BYTES = 64;

const kidPattern = new RegExp(
  `^([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\\.([A-Za-z0-9_-]{${TAG_LENGTH}})$`,
);
const payloadPattern = /^[A-Za-z0-9_-]+$/;

/** A token taken apart. Nothing in it is verified. */
export interface ParsedAccessToken {
  /** From `kid`: the session it says it is of. */
  readonly session: string;
  /** From `kid`; see `tagMatches`. */
  readonly tag: string;
  /** The first two segments, as they came. */
  readonly signingInput: string;
  /** The second segment. */
  readonly payload: string;
  /** Undefined when the third segment cannot be an Ed25519 signature. */
  readonly signature: Buffer | undefined;
}

export type AccessTokenParsing =
  | { readonly ok: true; readonly token: ParsedAccessToken }
  | { readonly ok: false; readonly reason: Extract<ReasonName, "MalformedToken" | "WrongAlgorithm" | "WrongType"> };

export type AccessTokenVerification =
  | { readonly ok: true; readonly claims: AccessTokenClaims }
  | { readonly ok: false; readonly reason: Extract<ReasonName, "BadSignature" | "MalformedToken"> };

/**
 * Mints an access token: a JWS (RFC 7515) signed with the session's key, `kid` = `<session>.<tag>`.
 *
 * @example mintAccessToken(claims, { privateKey: pair.privateKey, tagKey })
 */
export function mintAccessToken(
  claims: AccessTokenClaims,
  { privateKey, tagKey }: { privateKey: KeyObject; tagKey: TagKey },
): string {
  const header = { alg: ALGORITHM, typ: TYPE, kid: `${claims.sid}.${tagOf(tagKey, claims.sid)}` };
  const signingInput = `${encode(header)}.${encode(claims)}`;
  return `${signingInput}.${sign(null, Buffer.from(signingInput), privateKey).toString("base64url")}`;
}

/**
 * Takes a token apart, without any key and cheaply. Algorithm and type are pinned; `jwk`, `jku`, `x5u`, `x5c` and other headers are never
 * looked at; `crit` and `b64` are refused, since nothing they could ask for is supported.
 */
export function parseAccessToken(token: string): AccessTokenParsing {
  const malformed = { ok: false, reason: "MalformedToken" } as const;
  if (token.length > MAX_TOKEN_BYTES) return malformed;
  const segments = token.split(".", 4);
  const [headerSegment, payload, signatureSegment] = segments;
  if (segments.length !== 3 || !headerSegment || !payload || signatureSegment === undefined) return malformed;
  if (!payloadPattern.test(payload)) return malformed;

  const headerBytes = decodeBase64url(headerSegment);
  const header = headerBytes && parseStrictObject(headerBytes);
  if (header === undefined || "crit" in header || "b64" in header) return malformed;
  if (header["alg"] !== ALGORITHM) return { ok: false, reason: "WrongAlgorithm" };
  if (header["typ"] !== TYPE) return { ok: false, reason: "WrongType" };
  const kid = typeof header["kid"] === "string" ? kidPattern.exec(header["kid"]) : null;
  const [, session, tag] = kid ?? [];
  if (session === undefined || tag === undefined) return malformed;

  const signature = decodeBase64url(signatureSegment);
  return {
    ok: true,
    token: {
      session,
      tag,
      signingInput: `${headerSegment}.${payload}`,
      payload,
      signature: signature?.length === SIGNATURE_BYTES ? signature : undefined,
    },
  };
}

/**
 * Verifies the signature with the session's public key and reads the claims. Synchronous. Times, tenant, audience and the session's
 * state are judged by the caller each time, because they change while the signature does not.
 */
export function verifyAccessToken(token: ParsedAccessToken, publicKey: KeyObject): AccessTokenVerification {
  const { signature, signingInput } = token;
  if (signature === undefined || !verify(null, Buffer.from(signingInput), publicKey, signature)) {
    return { ok: false, reason: "BadSignature" };
  }
  const payload = decodedPayload(token);
  const claims = payload && claimsOf(payload);
  if (claims === undefined || claims.sid !== token.session) return { ok: false, reason: "MalformedToken" };
  return { ok: true, claims };
}

/** The tenant that a token says it is of. Nobody has vouched for it: good to know where to look, and to name a mix-up. */
export function unverifiedTenant(token: ParsedAccessToken): string | undefined {
  const tenant = decodedPayload(token)?.["tenant"];
  return typeof tenant === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(tenant) ? tenant : undefined;
}

function decodedPayload({ payload }: ParsedAccessToken): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(payload);
  return bytes && parseStrictObject(bytes);
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
