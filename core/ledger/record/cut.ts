import type { PrivatePart, StoredPrivatePart } from "./types.ts";

// Bytes of canonical JSON that each field keeps once the whole is too long; with the keys they stay below 16 KiB.
const KEEP = {
  email: 512,
  host: 512,
  login: 512,
  method: 64,
  path: 4096,
  peer: 128,
  query: 4096,
  user: 128,
  userAgent: 1024,
} as const;
const KEEP_DETAILS = 4096;
const KEEP_DETAIL_KEY = 128;
const KEEP_DETAIL = 512;

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/** The longest beginning, in whole characters, whose JSON has at most `most` bytes. */
function cutText(text: string, most: number): string {
  if (text.length <= most && jsonBytes(text) <= most) return text;
  let end = 0;
  let size = 2;
  for (const character of text) {
    size += jsonBytes(character) - 2;
    if (size > most) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function cutDetails(details: Readonly<Record<string, string>>): Record<string, string> {
  const kept: [string, string][] = [];
  let size = 2;
  for (const [key, text] of Object.entries(details)) {
    const short = cutText(text.toWellFormed(), KEEP_DETAIL);
    const name = key.toWellFormed();
    size += jsonBytes(name) + jsonBytes(short) + 2;
    if (name.length > KEEP_DETAIL_KEY || size > KEEP_DETAILS) break;
    kept.push([name, short]);
  }
  return Object.fromEntries(kept);
}

function sameDetails(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((key) => a[key] === b[key]);
}

/** A private part whose longer fields are cut, and named in `cut`. */
export function cutPrivatePart(part: PrivatePart): StoredPrivatePart {
  const short: { -readonly [K in keyof StoredPrivatePart]: StoredPrivatePart[K] } = { ...part };
  const cut: string[] = [];
  if (part.details !== undefined) {
    short.details = cutDetails(part.details);
    if (!sameDetails(short.details, part.details)) cut.push("details");
  }
  for (const name of Object.keys(KEEP) as (keyof typeof KEEP)[]) {
    const text = part[name]?.toWellFormed();
    if (text === undefined) continue;
    short[name] = cutText(text, KEEP[name]);
    if (short[name] !== text) cut.push(name);
  }
  return { ...short, cut };
}
