import type * as z from "zod";
import { type FieldProblem, fieldProblem } from "./problem.ts";

type Issue = z.core.$ZodIssue;

/** Translates zod's issues into field problems, each with the value found at its path in `document`. */
export function problemsOf(error: z.ZodError, document: unknown): FieldProblem[] {
  return error.issues.flatMap((issue): FieldProblem[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => fieldProblem("UnknownField", [...issue.path, key], undefined, "no such field"));
    }
    const found = valueAt(document, issue.path);
    return [fieldProblem(codeOf(issue, found), issue.path, found, expectedBy(issue))];
  });
}

/** The value at a path; undefined where the path leads nowhere. */
export function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function codeOf(issue: Issue, found: unknown): FieldProblem["code"] {
  if (issue.code === "custom" && issue.message.startsWith("each ")) return "Duplicate";
  if ((issue.code === "invalid_type" || issue.code === "invalid_value") && found === undefined) return "Required";
  return "Invalid";
}

function expectedBy(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "undefined" ? "no value: the kind is cluster-scoped" : `${article(issue.expected)}`;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(", ")}`;
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_format":
      return "pattern" in issue && issue.pattern !== undefined
        ? `a text that matches ${issue.pattern}`
        : `a text in the format ${issue.format}`;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  if (origin === "array") return " entries";
  return "";
}

function article(type: string): string {
  if (type === "int" || type === "number") return "an integer";
  if (type === "array") return "a list";
  if (type === "object" || type === "record") return "an object";
  if (type === "boolean") return "true or false";
  return `a ${type}`;
}
