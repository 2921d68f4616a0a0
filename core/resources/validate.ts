import type * as z from "zod";
import { type AuthPolicy, authPolicySchema } from "./auth-policy.ts";
import { authPolicyNotBuilt, authPolicyOnlyInPods, type NotBuilt, tenantNotBuilt } from "./not-built.ts";
import { type FieldProblem, fieldProblem } from "./problem.ts";
import { brokenTransitions, pathOf } from "./rule.ts";
import { type Tenant, tenantSchema } from "./tenant.ts";
import { problemsOf, valueAt } from "./zod-problems.ts";

export type Resource = Tenant | AuthPolicy;

export type Validated<T extends Resource = Resource> =
  | { readonly ok: true; readonly resource: T }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

export interface ValidateOptions {
  /** The version that is in force, for rules on how a resource may change. */
  readonly old?: Resource;
  /** Whether policies are for pods; they are unless given. */
  readonly inPods?: boolean;
}

const notBuilt = " (not built in this version)";
const onlyInPods = " (only in Kubernetes)";

/**
 * Validates a document against its kind's schema, its rules across fields, and what this version supports.
 * @param document parsed YAML or JSON, of whatever shape
 * @returns the resource with its defaults filled in, or every problem found
 */
export function validateResource(document: unknown, { old, inPods = true }: ValidateOptions = {}): Validated {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    return refused(fieldProblem("Invalid", [], document, "an object with apiVersion, kind, metadata and spec"));
  }
  const { kind } = document as { kind?: unknown };
  if (kind === "Tenant") return validate(document, tenantSchema, unsupported(tenantNotBuilt, notBuilt), old);
  if (kind === "AuthPolicy") {
    const refused = unsupported(authPolicyNotBuilt, notBuilt);
    const elsewhere = inPods ? [] : unsupported(authPolicyOnlyInPods, onlyInPods);
    return validate(document, authPolicySchema, [...refused, ...elsewhere], old);
  }
  return refused(fieldProblem(kind === undefined ? "Required" : "Invalid", ["kind"], kind, "Tenant or AuthPolicy"));
}

type Unsupported<T> = (resource: T) => readonly FieldProblem[];

function unsupported<T>(those: readonly NotBuilt<T>[], why: string): Unsupported<T>[] {
  return those.map(({ found, works }) => (resource) => {
    return found(resource).map(({ path, value }) => fieldProblem("NotSupported", path, value, `${works}${why}`));
  });
}

function validate<T extends Resource>(
  document: object,
  schema: z.ZodType<T>,
  refusing: readonly Unsupported<T>[],
  old: Resource | undefined,
): Validated<T> {
  const parsed = schema.safeParse(document);
  if (!parsed.success) return { ok: false, problems: problemsOf(parsed.error, document) };

  const problems: FieldProblem[] = [];
  if (old !== undefined && old.kind === parsed.data.kind) {
    for (const broken of brokenTransitions(schema, parsed.data, old)) {
      problems.push(fieldProblem("Forbidden", pathOf(broken), valueAt(parsed.data, pathOf(broken)), broken.message));
    }
  }
  for (const refuse of refusing) problems.push(...refuse(parsed.data));
  return problems.length === 0 ? { ok: true, resource: parsed.data } : { ok: false, problems };
}

function refused(only: FieldProblem): { ok: false; problems: readonly FieldProblem[] } {
  return { ok: false, problems: [only] };
}
