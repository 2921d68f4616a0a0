import { Environment } from "@marcbachmann/cel-js";
import * as z from "zod";

/** A rule across fields, in CEL: the CRD's `x-kubernetes-validations` and the zod refinement alike. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  /** The field to blame, as in Kubernetes: `.spec.tenantRef.name`. The object itself when absent. */
  readonly fieldPath?: string;
}

/**
 * Writes a rule once.
 * @param expression CEL over `self` (and `oldSelf`: a transition rule, held only when there is an older version). It must only
 *   use what both Kubernetes and cel-js know.
 * @param message what is expected, for the person who wrote the resource
 */
export function rule(expression: string, message: string, fieldPath?: string): Rule {
  return fieldPath === undefined ? { rule: expression, message } : { rule: expression, message, fieldPath };
}

/** Attaches rules to an object's schema. Transition rules are left to `transitionIssues`, which knows the older version. */
export function withRules<T extends z.ZodObject>(schema: T, ...rules: readonly Rule[]): T {
  return schema
    .check((context) => {
      // As in Kubernetes: rules are for objects that are well formed.
      if (context.issues.length > 0) return;
      for (const broken of rules.filter((each) => !isTransition(each) && !holds(each, { self: context.value }))) {
        context.issues.push({
          code: "custom",
          message: broken.message,
          input: context.value,
          path: pathOf(broken),
        });
      }
    })
    .meta({ ...schema.meta(), "x-kubernetes-validations": rules });
}

/** The rules of `schema` itself that forbid the step from `old` to `value`. */
export function brokenTransitions(schema: z.ZodType, value: unknown, old: unknown): Rule[] {
  const rules = (z.globalRegistry.get(schema)?.["x-kubernetes-validations"] ?? []) as readonly Rule[];
  return rules.filter((each) => isTransition(each) && !holds(each, { self: value, oldSelf: old }));
}

/** A rule's field as a path below the object it is attached to. */
export function pathOf(broken: Rule): string[] {
  return broken.fieldPath?.split(".").slice(1) ?? [];
}

const environment = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable("self", "dyn")
  .registerVariable("oldSelf", "dyn");

const programs = new Map<string, (context: Record<string, unknown>) => unknown>();

/** A rule that can't be evaluated does not hold: what it guards is refused. */
function holds(each: Rule, values: Record<string, unknown>): boolean {
  let program = programs.get(each.rule);
  if (program === undefined) {
    program = environment.parse(each.rule);
    programs.set(each.rule, program);
  }
  try {
    return program(toCel(values) as Record<string, unknown>) === true;
  } catch {
    return false;
  }
}

function isTransition(each: Rule): boolean {
  return /\boldSelf\b/.test(each.rule);
}

/** Integers are `int` in CEL: cel-js takes them as BigInt. */
function toCel(value: unknown): unknown {
  if (typeof value === "number") return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, each]) => each !== undefined)
        .map(([key, each]) => [key, toCel(each)]),
    );
  }
  return value;
}
