import type { Guard } from "./shape.ts";

/** Records of a journal say the same tenant, pod and policy again and again: what matched last is not matched anew. */
function matching(pattern: RegExp): Guard<string> {
  let last: string | undefined;
  return (value): value is string => {
    if (value === last && last !== undefined) return true;
    if (typeof value !== "string" || !pattern.test(value)) return false;
    last = value;
    return true;
  };
}

/** A count, a number or a time in µs since the Unix epoch: an integer from 0 to 2^53 - 1. */
export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isTrue(value: unknown): value is true {
  return value === true;
}

export function isVersion(value: unknown): value is 1 {
  return value === 1;
}

/** A UUID in lower case (RFC 9562). */
export const isUuid = matching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);

/** A UUIDv7 in lower case (RFC 9562, section 5.7): journals and sessions. */
export const isUuid7 = matching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);

/** 32 bytes in base64url without padding, in its one canonical spelling: a hash or a public key. */
export const isHash = matching(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);

/** `<journal>/<seq>`. */
export const isRecordId = matching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\/(0|[1-9][0-9]{0,15})$/,
);

/** `sha256:<hex>`: a compiled policy's digest. */
export const isDigest = matching(/^sha256:[0-9a-f]{64}$/);

/** x-request-id: 1 to 128 printable ASCII characters. */
export const isRequestId = matching(/^[\x21-\x7e]{1,128}$/);

/** A name from a policy, a reason's or an action's name: 1 to 256 characters, none a control character. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value) && value.isWellFormed();
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const NAME = /^[^\u0000-\u001f\u007f]{1,256}$/;

/** `<namespace>/<pod>`, each a DNS name. */
export const isPod = matching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);

/** A program key's id: `<program>-<8 hex digits>`. */
export const isKeyId = matching(/^(identity|hub|operator|cli)-[0-9a-f]{8}$/);
