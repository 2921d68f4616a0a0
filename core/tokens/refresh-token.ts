import { createHmac, timingSafeEqual } from "node:crypto";
import { decodeBase64url } from "./base64url.ts";

/** A refresh token taken apart. Nothing in it is verified. */
export interface ParsedRefreshToken {
  readonly tenant: string;
  readonly session: string;
  /** Which one of the session's refresh tokens it is; the first has number 0. */
  readonly number: number;
  readonly mac: Buffer;
}

const pattern =
  /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.(0|[1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})$/;

/**
 * Refresh token number n: `<tenant>.<session>.<n>.<HMAC-SHA256(k, n)>`, k of `deriveRefreshKey`. The tenant stands in it because
 * a session is looked up within its tenant; the key is derived for both, so neither can be exchanged.
 */
export function mintRefreshToken(
  key: Uint8Array,
  { tenant, session }: { tenant: string; session: string },
  number: number,
): string {
  return `${tenant}.${session}.${number}.${macOf(key, number).toString("base64url")}`;
}

/** Takes a refresh token apart; undefined when it cannot be one. */
export function parseRefreshToken(token: string): ParsedRefreshToken | undefined {
  const [, tenant, session, number, mac] = pattern.exec(token) ?? [];
  if (tenant === undefined || session === undefined || number === undefined || mac === undefined) return undefined;
  const macBytes = decodeBase64url(mac);
  return macBytes && { tenant, session, number: Number(number), mac: macBytes };
}

/** Whether the token was made with the session's refresh key; takes the same time wherever they differ. */
export function isAuthentic({ number, mac }: ParsedRefreshToken, key: Uint8Array): boolean {
  return timingSafeEqual(macOf(key, number), mac);
}

function macOf(key: Uint8Array, number: number): Buffer {
  return createHmac("sha256", key).update(String(number)).digest();
}
