/** metav1.LabelSelector, as far as heauth's schemas allow it. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?: readonly LabelRequirement[] | undefined;
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[] | undefined;
}

type Labels = Readonly<Record<string, string>>;

/** Does the selector select what carries these labels? All its requirements must hold; one without any selects everything. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labelOf(labels, key) === value) &&
    (selector.matchExpressions ?? []).every((requirement) => holds(requirement, labels))
  );
}

/** As Kubernetes has it: `NotIn` also holds where the label is absent. */
function holds({ key, operator, values = [] }: LabelRequirement, labels: Labels): boolean {
  const value = labelOf(labels, key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Labels come from outside: `constructor` is no label unless it is one. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** What a policy's turn depends on. `createdAtMs`: ms since the Unix epoch. */
export interface Selecting {
  readonly namespace: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly selector: LabelSelector;
}

/**
 * Which of a namespace's policies is a pod's: of those that select its labels, the oldest; of those as old, the first by name.
 *
 * @returns the one, and the other ones that select it too, in the same order
 */
export function choosePolicy<P extends Selecting>(
  policies: readonly P[],
  labels: Labels,
): { readonly chosen: P | undefined; readonly others: P[] } {
  const [chosen, ...others] = policies.filter(({ selector }) => selects(selector, labels)).sort(byTurn);
  return { chosen, others };
}

function byTurn(a: Selecting, b: Selecting): number {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs - b.createdAtMs;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
