import { CallError, type Metadata } from "@heauth/protocol";

/** A pod's token has 1 to 2 KiB; nothing longer is looked at. */
const MAX_TOKEN_BYTES = 8 * 1024;

/** What a token says of itself; nothing of it is proven. */
export interface TokenClaims {
  readonly audiences: readonly string[];
  /** ms since the Unix epoch. */
  readonly expiresAtMs: number;
}

/**
 * The one bearer token of a call.
 * @throws CallError UNAUTHENTICATED
 */
export function bearerToken(metadata: Metadata): string {
  const [header, ...more] = metadata.get("authorization");
  if (header === undefined) throw unauthenticated("a bearer token is missing");
  const token = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i.exec(String(header))?.[1];
  if (token === undefined || more.length > 0) throw unauthenticated("there must be one bearer token, a JWT");
  if (token.length > MAX_TOKEN_BYTES) throw unauthenticated("the token is too long");
  return token;
}

/**
 * Reads what can be read without asking anybody, so that garbage costs little.
 * @throws CallError UNAUTHENTICATED
 */
export function readClaims(token: string): TokenClaims {
  const { aud, exp } = payloadOf(token);
  const audiences = typeof aud === "string" ? [aud] : aud;
  if (!Array.isArray(audiences) || !audiences.every((one) => typeof one === "string") || typeof exp !== "number") {
    throw unauthenticated("the token has no audience, or no end");
  }
  return { audiences, expiresAtMs: exp * 1000 };
}

function payloadOf(token: string): { aud?: unknown; exp?: unknown } {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    if (typeof payload === "object" && payload !== null) return payload;
  } catch {
    // As any other garbage.
  }
  throw unauthenticated("the token can't be read");
}

export function unauthenticated(message: string): CallError {
  return new CallError("UNAUTHENTICATED", message);
}
