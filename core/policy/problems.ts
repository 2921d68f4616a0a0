import {
  type AuthPolicy,
  type FieldProblem,
  fieldProblem,
  milliseconds,
  selects,
  type Tenant,
} from "../resources/index.ts";
import { prepareCondition } from "./condition.ts";
import { normaliseTarget } from "./path.ts";

/** What keeps a valid AuthPolicy from being compiled for a tenant: the reference, the tenant's limits, paths, conditions. */
export function policyProblems(
  tenant: Tenant,
  policy: AuthPolicy,
  namespaceLabels: Labels | undefined,
): FieldProblem[] {
  return [
    ...referenceProblems(tenant, policy, namespaceLabels),
    ...limitProblems(tenant, policy),
    ...ruleProblems(policy),
  ];
}

/** What is wrong with its rules, whatever the tenant: paths, conditions. */
export function ruleProblems({ spec }: AuthPolicy): FieldProblem[] {
  return spec.rules.flatMap((rule, index) => problemsOfRule(rule, ["spec", "rules", index]));
}

type Labels = Readonly<Record<string, string>>;

/** May AuthPolicies of a namespace with these labels use the tenant? Of one whose labels are not known: only if any may. */
export function allowsNamespace({ spec }: Tenant, namespaceLabels: Labels | undefined): boolean {
  const { from, selector } = spec.allowedNamespaces;
  if (from !== "Selector") return from === "All";
  return selector !== undefined && namespaceLabels !== undefined && selects(selector, namespaceLabels);
}

function referenceProblems(tenant: Tenant, { spec }: AuthPolicy, labels: Labels | undefined): FieldProblem[] {
  const path = ["spec", "tenantRef", "name"];
  if (spec.tenantRef.name !== tenant.metadata.name) {
    return [fieldProblem("Invalid", path, spec.tenantRef.name, `the tenant's name, ${tenant.metadata.name}`)];
  }
  if (allowsNamespace(tenant, labels)) return [];
  return [
    fieldProblem(
      "Forbidden",
      path,
      spec.tenantRef.name,
      "a tenant whose allowedNamespaces allow this policy's namespace",
    ),
  ];
}

/** What it asks for beyond the tenant's limits. */
export function limitProblems(tenant: Tenant, { spec }: AuthPolicy): FieldProblem[] {
  const { limits } = tenant.spec;
  const found: FieldProblem[] = [];
  const exceeded = (path: readonly PropertyKey[], value: unknown, expected: string) =>
    found.push(fieldProblem("LimitExceeded", path, value, `${expected} (limits of tenant ${tenant.metadata.name})`));

  const { maxStaleness } = spec.authentication;
  if (milliseconds(maxStaleness) > milliseconds(limits.maxStaleness)) {
    exceeded(["spec", "authentication", "maxStaleness"], maxStaleness, `at most ${limits.maxStaleness}`);
  }
  for (const [index, audience] of (spec.authentication.audiences ?? []).entries()) {
    if (!tenant.spec.audiences.includes(audience)) {
      exceeded(["spec", "authentication", "audiences", index], audience, `one of ${tenant.spec.audiences.join(", ")}`);
    }
  }
  if (!limits.modes.includes(spec.mode)) exceeded(["spec", "mode"], spec.mode, `one of ${limits.modes.join(", ")}`);
  if (spec.upstream.forwardCredentials && !limits.forwardCredentials) {
    exceeded(["spec", "upstream", "forwardCredentials"], true, "false");
  }
  const durabilities = [
    { path: ["spec", "audit", "durability"], value: spec.audit.durability },
    ...spec.rules.map(({ durability }, index) => ({ path: ["spec", "rules", index, "durability"], value: durability })),
  ];
  for (const { path, value } of durabilities) {
    if (value !== undefined && !limits.durability.includes(value)) {
      exceeded(path, value, `one of ${limits.durability.join(", ")}`);
    }
  }
  return found;
}

function problemsOfRule(rule: AuthPolicy["spec"]["rules"][number], at: readonly PropertyKey[]): FieldProblem[] {
  const found = rule.match.flatMap(({ path }, index) => {
    const field = [...at, "match", index, "path", "value"];
    const normalised = normaliseTarget(path.value);
    if (normalised === undefined)
      return [fieldProblem("Invalid", field, path.value, "a path that can be read in one way only")];
    return normalised.path === path.value
      ? []
      : [fieldProblem("Invalid", field, path.value, `its normalised form, ${normalised.path}`)];
  });
  if (rule.when !== undefined) {
    const condition = prepareCondition(rule.when);
    if (!condition.ok) found.push(fieldProblem("Invalid", [...at, "when"], rule.when, condition.expected));
  }
  return found;
}
