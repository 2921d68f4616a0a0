import { create } from "@bufbuild/protobuf";
import { CallError, type SessionState, SessionStateSchema, SessionStatus } from "@heauth/protocol";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { SessionSource } from "../sessions/session.ts";
import { TestClock } from "../sessions/testing.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { createLookUps, MAX_BATCH } from "./look-ups.ts";

let clock: TestClock;
let breaker: Breaker;
let calls: { tenant: string; sessions: string[]; answer: PromiseWithResolvers<SessionState[]> }[];
let lookUps: SessionSource;

beforeEach(() => {
  clock = new TestClock();
  calls = [];
  breaker = createBreaker({ clock, maxCalls: 2, failures: 2, firstMs: 200, maxMs: 1000 });
  lookUps = createLookUps({
    call(tenant, sessions) {
      const answer = Promise.withResolvers<SessionState[]>();
      calls.push({ tenant, sessions, answer });
      return answer.promise;
    },
    breaker,
    clock,
    maxWaiting: 2000,
  });
});

const turn = () => new Promise(setImmediate);
const stateOf = (session: string, status: SessionStatus = SessionStatus.OPEN) =>
  create(SessionStateSchema, { session, status, idleUs: 1500n });
function answer(index: number): void {
  const call = calls[index];
  call?.answer.resolve(call.sessions.map((session) => stateOf(session)));
}
const fail = (index: number, error: Error) => calls[index]?.answer.reject(error);
const ask = (count: number, tenant = "t") =>
  Array.from({ length: count }, (_, n) => lookUps.lookUp(tenant, `${tenant}${n}`));
const away = new CallError("UNAVAILABLE", "away");

describe("look-ups of one moment", () => {
  test("go in one call, and each gets its own state", async () => {
    const asked = ask(3);
    await turn();
    expect(calls.map(({ sessions }) => sessions)).toEqual([["t0", "t1", "t2"]]);
    clock.pass(500);
    answer(0);
    const found = await Promise.all(asked);
    expect(found.map((one) => one.answer.session)).toEqual(["t0", "t1", "t2"]);
    expect(found[0]).toMatchObject({ answer: { idleMs: 1.5 }, askedAt: { wallMs: clock.wallMs() - 500 } });
  });

  test("go in calls of at most 512, each of one tenant, no more than allowed at a time", async () => {
    const asked = [...ask(MAX_BATCH + 1, "a"), ...ask(2, "b")];
    await turn();
    expect(calls.map(({ tenant, sessions }) => [tenant, sessions.length])).toEqual([
      ["a", 512],
      ["a", 1],
    ]);
    answer(0);
    await turn();
    expect(calls.map(({ tenant }) => tenant)).toEqual(["a", "a", "b"]);
    answer(1);
    answer(2);
    expect(await Promise.all(asked)).toHaveLength(MAX_BATCH + 3);
  });

  test("are refused where too many wait already", async () => {
    const asked = ask(2000);
    await expect(lookUps.lookUp("t", "one more")).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    for (let index = 0; index < 4; index++) {
      await turn();
      answer(index);
    }
    expect(await Promise.all(asked)).toHaveLength(2000);
  });

  test("take no answer of another session, nor none", async () => {
    const [first, second] = ask(2);
    await turn();
    calls[0]?.answer.resolve([stateOf("other")]);
    await expect(first).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(second).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("let nobody in by a status of a later version", async () => {
    const [asked] = ask(1);
    await turn();
    calls[0]?.answer.resolve([stateOf("t0", 99 as SessionStatus)]);
    expect(await asked).toMatchObject({ answer: { status: "Unknown" } });
  });
});

describe("the breaker", () => {
  async function failTwice(): Promise<void> {
    for (const index of [0, 1]) {
      const [asked] = ask(1);
      await turn();
      fail(index, away);
      await expect(asked).rejects.toBe(away);
    }
  }

  test("opens after failures in a row: nobody waits for a hub that does not answer", async () => {
    await failTwice();
    await expect(lookUps.lookUp("t", "t0")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(calls).toHaveLength(2);
  });

  test("lets one call try after a while, and closes when that is answered", async () => {
    await failTwice();
    clock.pass(200);
    const asked = ask(600);
    await turn();
    expect(calls).toHaveLength(3);
    answer(2);
    await turn();
    answer(3);
    expect(await Promise.all(asked)).toHaveLength(600);
    expect(breaker.limit()).toBe(2);
  });

  test("opens again at once when it is not, and gives up what waits", async () => {
    await failTwice();
    clock.pass(200);
    const asked = ask(600);
    await turn();
    fail(2, away);
    const answers = await Promise.allSettled(asked);
    expect(answers.every(({ status }) => status === "rejected")).toBe(true);
    expect(breaker.limit()).toBe(0);
  });

  test("is never open for longer than its limit", async () => {
    for (let n = 0; n < 20; n++) breaker.failed();
    clock.pass(1000);
    expect(breaker.limit()).toBe(1);
  });

  test("opens at once when the hub asks to be left alone", () => {
    breaker.failed(250);
    expect(breaker.limit()).toBe(0);
    clock.pass(249);
    expect(breaker.limit()).toBe(0);
    clock.pass(1);
    expect(breaker.limit()).toBe(1);
  });
});
