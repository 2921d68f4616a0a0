/**
 * RFC 8785 (JCS) bytes of a document that holds strings, booleans, integers below 2^53, lists and objects; absent fields are left out.
 */
export function canonicalJson(document: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(sorted(document)));
}

/** Keys in order of UTF-16 code units, which is how JavaScript compares strings. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
