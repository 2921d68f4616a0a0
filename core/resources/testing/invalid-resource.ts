import type { FieldProblemCode } from "../problem.ts";
import { changed } from "./changed.ts";

/** A resource in which one thing is wrong. */
export interface InvalidResource {
  /** What was changed, and into what. */
  readonly name: string;
  readonly resource: object;
  readonly code: FieldProblemCode;
  /** The field to blame, as in a `FieldProblem`. */
  readonly field: string;
  /** Part of what is expected instead. */
  readonly message: string;
  /** The CRD lets it through: `validateResource` alone knows. */
  readonly webhookOnly: boolean;
}

/** The field that was changed, into what; code and field of the problem; part of its message. */
export type InvalidRow = readonly [
  path: string,
  value: unknown,
  problem: `${FieldProblemCode} ${string}`,
  message: string,
];

/** Makes a table's rows from a resource that is valid. */
export function invalidResourcesOf(valid: { readonly kind: string }, rows: readonly InvalidRow[]): InvalidResource[] {
  return rows.map(([path, value, problem, message]) => {
    const [code, field] = problem.split(" ") as [FieldProblemCode, string];
    return {
      name: `${valid.kind} with ${path}: ${(JSON.stringify(value) ?? "absent").slice(0, 60)}`,
      resource: changed(valid, path, value),
      code,
      field,
      message,
      webhookOnly: code === "NotSupported",
    };
  });
}
