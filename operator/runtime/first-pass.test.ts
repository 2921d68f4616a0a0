import { expect, test } from "@jest/globals";
import { keyText, type ResourceKey } from "../source/source.ts";
import { FirstPass } from "./first-pass.ts";

const tenant = (name: string): ResourceKey => ({ kind: "Tenant", namespace: "", name });
const policy: ResourceKey = { kind: "AuthPolicy", namespace: "clinic", name: "web" };

/** What has been asked for so far, and whether all is over. */
function begun(...stages: ResourceKey[][]) {
  const first = new FirstPass();
  const asked: string[] = [];
  let over = false;
  void first.over.then(() => {
    over = true;
  });
  first.begin(stages, (key) => asked.push(key));
  return {
    first,
    asked,
    isOver: () => Promise.resolve().then(() => over),
    run: (key: ResourceKey) => first.running(keyText(key)),
  };
}

test("a stage begins when the one before is done", async () => {
  const { asked, isOver, run } = begun([tenant("a"), tenant("b")], [policy]);
  run(tenant("a"))();
  expect(asked).toEqual([tenant("a"), tenant("b")].map(keyText));
  run(tenant("b"))();
  expect(asked).toEqual([tenant("a"), tenant("b"), policy].map(keyText));
  expect(await isOver()).toBe(false);
  run(policy)();
  expect(await isOver()).toBe(true);
});

test("what ran before its stage is to run again: it may not have seen the stage before", async () => {
  const { isOver, run } = begun([tenant("a")], [policy]);
  const early = run(policy);
  run(tenant("a"))();
  early();
  expect(await isOver()).toBe(false);
  run(policy)();
  expect(await isOver()).toBe(true);
});

test("without resources it is over at once", async () => {
  expect(await begun([], []).isOver()).toBe(true);
});
