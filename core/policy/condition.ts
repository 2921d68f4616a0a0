import { costOf } from "./condition-cost.ts";
import { conditionEnvironment, conditionLimits } from "./condition-environment.ts";

export interface ConditionFacts {
  readonly request: { readonly method: string; readonly path: string; readonly query: string | undefined };
  readonly session: {
    readonly id: string;
    readonly subject: string;
    readonly roles: readonly string[];
    readonly tenant: string;
  };
}

/** What a condition came to. An error is never taken for either answer. */
export type ConditionResult = "True" | "False" | "Error";

export type PreparedCondition =
  | { readonly ok: true; readonly evaluate: (facts: ConditionFacts) => ConditionResult }
  | { readonly ok: false; readonly expected: string };

/** Parameters of a query that a condition looks at; a request with more makes it an error. */
const maxParameters = 64;

/**
 * Checks and prepares the CEL of a rule's `when`: declared names only, the right types, a bool, bounded in size and cost.
 * @returns how to evaluate it, or what is expected instead
 */
export function prepareCondition(expression: string): PreparedCondition {
  if (expression.length > conditionLimits.characters) {
    return { ok: false, expected: `at most ${conditionLimits.characters} characters` };
  }
  if (!expression.isWellFormed()) return { ok: false, expected: "well-formed Unicode" };
  const checked = conditionEnvironment.check(expression);
  if (!checked.valid) return { ok: false, expected: `CEL that is well typed: ${summary(checked.error)}` };
  if (checked.type !== "bool") return { ok: false, expected: `CEL that yields bool, not ${checked.type}` };

  const program = conditionEnvironment.parse(expression);
  const cost = costOf(program.ast);
  if ("refused" in cost) return { ok: false, expected: `CEL of what is declared: ${cost.refused}` };
  if (cost.cost > conditionLimits.cost) {
    return { ok: false, expected: `a condition of cost ${conditionLimits.cost} at most, this may cost ${cost.cost}` };
  }
  const usesQuery = expression.includes("query");
  return {
    ok: true,
    evaluate: ({ request, session }) => {
      try {
        const query = usesQuery ? parameters(request.query) : noParameters;
        const result: unknown = program({ request: { method: request.method, path: request.path, query }, session });
        return result === true ? "True" : result === false ? "False" : "Error";
      } catch {
        return "Error";
      }
    },
  };
}

const noParameters: ReadonlyMap<string, readonly string[]> = new Map();

function parameters(query: string | undefined): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let count = 0;
  for (const [name, value] of new URLSearchParams(query ?? "")) {
    if (++count > maxParameters) throw new RangeError("too many parameters");
    const values = found.get(name);
    if (values === undefined) found.set(name, [value]);
    else values.push(value);
  }
  return found;
}

function summary(error: { readonly summary: string } | undefined): string {
  return error?.summary ?? "unknown error";
}
