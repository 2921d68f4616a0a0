import { expect, test } from "@jest/globals";
import { soleBundle, trusts } from "./ca-bundle.ts";

test.each<[string, string[], boolean]>([
  ["all of its webhooks do", ["ours", "ours"], true],
  ["one does not", ["ours", "theirs"], false],
  ["one has no bundle yet", ["ours", ""], false],
  // Else it would be written again and again, and never become right.
  ["it has no webhooks at all", [], true],
])("whether a configuration trusts what is ours, when %s", (_, bundles, does) => {
  const trust = {
    resourceVersion: "1",
    bundles: new Map(bundles.map((bundle, index) => [`webhook-${index}`, bundle])),
  };
  expect(trusts(trust, "ours")).toBe(does);
});

test.each<[string, string[][], string | undefined]>([
  ["all webhooks of all of them do", [["a", "a"], ["a"]], "a"],
  ["one of them has another", [["a", "a"], ["b"]], undefined],
  ["one of them has none yet", [["a"], [""]], undefined],
  ["none has any", [[""], [""]], undefined],
  ["there are none", [], undefined],
])("what configurations have in common, when %s", (_, configurations, common) => {
  const all = configurations.map((bundles) => ({ bundles: new Map(bundles.map((each, index) => [`${index}`, each])) }));
  expect(soleBundle(all)).toBe(common);
});
