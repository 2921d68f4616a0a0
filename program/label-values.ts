import type { LabelValues } from "./metrics.ts";

/** How many values of an open label are told apart, per metric. */
export const OPEN_VALUES = 100;
export const OTHER = "other";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:/{}*-]{0,79}$/;

/** Bounds the values of one metric's labels: what is not allowed, or is one too many, becomes `other`. */
export function createLabelBounds(labels: Readonly<Record<string, LabelValues>>) {
  const seen = new Map<string, Set<string>>(Object.keys(labels).map((label) => [label, new Set<string>()]));

  function bounded(label: string, allowed: LabelValues, value: string | undefined): string {
    if (value === undefined) return OTHER;
    if (allowed !== "open") return allowed.includes(value) ? value : OTHER;
    const known = seen.get(label);
    if (known?.has(value)) return value;
    if (known === undefined || known.size >= OPEN_VALUES || !NAME.test(value)) return OTHER;
    known.add(value);
    return value;
  }
  return (given: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(labels).map(([label, allowed]) => [label, bounded(label, allowed, given[label])]),
    );
}
