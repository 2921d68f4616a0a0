/** A copy of a document with one field changed, `spec.rules.0.name`; undefined removes it. */
export function changed(document: object, path: string, value: unknown): object {
  const copy = structuredClone(document);
  const parts = path.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const last = parts.pop();
  let target = copy as Record<string | number, unknown>;
  for (const part of parts) {
    target[part] ??= {};
    target = target[part] as Record<string | number, unknown>;
  }
  if (value === undefined) delete target[last as string];
  else target[last as string] = value;
  return copy;
}
