import { describe, expect, test } from "@jest/globals";
import { choosePolicy, type LabelRequirement, type LabelSelector, selects } from "./select.ts";

const labels = { app: "web", tier: "front", empty: "" };
const expression = (key: string, operator: LabelRequirement["operator"], values?: string[]): LabelSelector => ({
  matchExpressions: [{ key, operator, ...(values && { values }) }],
});

describe("a selector", () => {
  const cases: [string, LabelSelector, boolean][] = [
    ["with the label's value", { matchLabels: { app: "web" } }, true],
    ["with an empty value", { matchLabels: { empty: "" } }, true],
    ["with another value", { matchLabels: { app: "api" } }, false],
    ["with a label that is absent", { matchLabels: { zone: "a" } }, false],
    ["of which one requirement fails", { matchLabels: { app: "web", tier: "back" } }, false],
    ["of labels and expressions", { matchLabels: { app: "web" }, ...expression("tier", "In", ["front"]) }, true],
    [
      "of labels that hold and expressions that don't",
      { matchLabels: { app: "web" }, ...expression("zone", "Exists") },
      false,
    ],
    ["In", expression("app", "In", ["api", "web"]), true],
    ["In, of others", expression("app", "In", ["api"]), false],
    ["In, of none", expression("app", "In", []), false],
    ["In, of an absent label", expression("zone", "In", [""]), false],
    ["NotIn", expression("app", "NotIn", ["api"]), true],
    ["NotIn, of its value", expression("app", "NotIn", ["web"]), false],
    ["NotIn, of an absent label", expression("zone", "NotIn", ["a"]), true],
    ["Exists", expression("empty", "Exists"), true],
    ["Exists, of an absent label", expression("zone", "Exists"), false],
    ["DoesNotExist", expression("zone", "DoesNotExist"), true],
    ["DoesNotExist, of its label", expression("app", "DoesNotExist"), false],
    ["of a name that every object has", expression("constructor", "Exists"), false],
    ["of a value that every object has", { matchLabels: { toString: "x" } }, false],
  ];
  test.each(cases)("%s", (_, selector, expected) => expect(selects(selector, labels)).toBe(expected));
});

test("of the policies that select a pod the oldest is its own, of those as old the first by name", () => {
  const policy = (name: string, createdAtMs: number, app = "web") => ({
    namespace: "shop",
    name,
    createdAtMs,
    selector: { matchLabels: { app } },
  });
  const [old, a, b, other] = [policy("old", 1), policy("a", 2), policy("b", 2), policy("other", 0, "api")];
  expect(choosePolicy([b, other, a, old], labels)).toEqual({ chosen: old, others: [a, b] });
  expect(choosePolicy([b, a], labels)).toEqual({ chosen: a, others: [b] });
  expect(choosePolicy([other], labels)).toEqual({ chosen: undefined, others: [] });
});
