/** What is wrong with a field of a resource. */
export interface FieldProblem {
  readonly code: FieldProblemCode;
  /** `spec.rules[2].when`; empty for the document itself. */
  readonly field: string;
  /** The same, part by part. */
  readonly path: readonly (string | number)[];
  /** The value found, short; absent where there is none. */
  readonly value?: string;
  /** What is expected, for the person who wrote it. */
  readonly expected: string;
}

export type FieldProblemCode =
  /** A value that the field can't have. */
  | "Invalid"
  /** A field that must be there. */
  | "Required"
  /** A field that the schema does not know. */
  | "UnknownField"
  /** A list with the same entry twice. */
  | "Duplicate"
  /** A change that is not allowed. */
  | "Forbidden"
  /** Known, but not built in this version. */
  | "NotSupported"
  /** More than the tenant's limits allow. */
  | "LimitExceeded";

/** A problem with the value found at a path. */
export function fieldProblem(
  code: FieldProblemCode,
  path: readonly PropertyKey[],
  found: unknown,
  expected: string,
): FieldProblem {
  const value = path.some(mayHoldSecret) ? undefined : shortValue(found);
  const parts = path.map((part) => (typeof part === "number" ? part : String(part)));
  return { code, field: fieldName(parts), path: parts, ...(value === undefined ? {} : { value }), expected };
}

/** Writes a path the way Kubernetes does. */
function fieldName(path: readonly (string | number)[]): string {
  let name = "";
  for (const part of path) {
    if (typeof part === "number") name += `[${part}]`;
    else if (/^[A-Za-z][A-Za-z0-9]*$/.test(part)) name += name === "" ? part : `.${part}`;
    else name += `[${JSON.stringify(part)}]`;
  }
  return name;
}

/** What stands in place of a reference may be the secret itself, and a webhook's address may carry one. */
function mayHoldSecret(part: PropertyKey): boolean {
  return part === "url" || String(part).endsWith("SecretRef");
}

/** A value as people can read it in one line. */
function shortValue(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = written(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** Something may be nested deeper than can be written. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value, (key, inner) => (mayHoldSecret(key) ? "…" : inner)) ?? String(value);
  } catch {
    return typeof value;
  }
}

/** One line: field, value, what is expected. */
export function describeProblem(problem: FieldProblem): string {
  const value = problem.value === undefined ? "" : ` ${problem.value}`;
  return `${problem.field || "document"}:${value} (${problem.code}) expected ${problem.expected}`;
}
