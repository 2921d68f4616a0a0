import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, expect, test } from "@jest/globals";
import type { KnownSession } from "./session.ts";
import { claims } from "./testing.ts";
import { createVerifiedTokens, type RememberedToken, type VerifiedTokens } from "./verified-tokens.ts";

const ofSession = (id: string): RememberedToken => ({ session: { id } as KnownSession, token: claims });

let tokens: VerifiedTokens;
beforeEach(() => {
  tokens = createVerifiedTokens(1000);
});

test("go with their session, and leave the others'", () => {
  for (const [token, session] of Object.entries({ a: "1", b: "1", c: "2" })) tokens.remember(token, ofSession(session));
  tokens.forget("1");
  expect(["a", "b", "c"].map((token) => tokens.recall(token)?.session.id)).toEqual([undefined, undefined, "2"]);
});

test("are no more than so many: the one used longest ago goes first", () => {
  for (let n = 0; n < 1001; n++) tokens.remember(`token ${n}`, ofSession("1"));
  expect(tokens.recall("token 0")).toBeUndefined();
  expect(tokens.recall("token 1")).toBeDefined();
});

test("take the memory of the tokens, and not of the headers that they came in", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const header = (n: number) => Buffer.alloc(60_000, `${n};`).toString("latin1");
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 1000; n++) tokens.remember(header(n).slice(100, 1100), ofSession("1"));
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
});
