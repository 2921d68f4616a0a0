import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export const TAG_KEY_BYTES = 32;
const TAG_BYTES = 12;
/** Characters of a tag in base64url; 12 bytes leave no spare bits. */
export const TAG_LENGTH = 16;

/** A tenant's key for token tags. It tells tokens from garbage before any look-up, and can mint nothing. */
export interface TagKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** A new tag key. */
export function newTagKey(): TagKey {
  return { id: `tag-${randomBytes(4).toString("hex")}`, key: randomBytes(TAG_KEY_BYTES) };
}

/** The tag of a session id: 16 characters of base64url. */
export function tagOf(key: TagKey, session: string): string {
  return tagBytes(key, session).toString("base64url");
}

/** Whether one of the keys made the tag; takes the same time wherever they differ. */
export function tagMatches(keys: readonly TagKey[], session: string, tag: string): boolean {
  const given = Buffer.from(tag, "base64url");
  if (given.length !== TAG_BYTES) return false;
  let matches = false;
  for (const key of keys) matches = timingSafeEqual(tagBytes(key, session), given) || matches;
  return matches;
}

function tagBytes({ key }: TagKey, session: string): Buffer {
  return createHmac("sha256", key).update(`heauth tag v1|${session}`).digest().subarray(0, TAG_BYTES);
}
