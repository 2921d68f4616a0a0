import { isUtf8 } from "node:buffer";

/**
 * JSON in the one form that heauth writes it: compact, each key once. Undefined for anything else, and for what is not an object.
 * Doubled keys, white space and needless escapes never get as far as being understood differently by somebody else.
 */
export function parseStrictObject(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return JSON.stringify(value) === text ? (value as Record<string, unknown>) : undefined;
}
