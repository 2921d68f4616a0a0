import { create } from "@bufbuild/protobuf";
import {
  EventKind,
  type Policy,
  type SyncRequestInit,
  type SyncResponseInit,
  SyncResponseSchema,
} from "@heauth/protocol";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { SyncListener } from "../sessions/session.ts";
import { TestClock } from "../sessions/testing.ts";
import { type Conversation, createConversation, type PolicyVerdict, type Watermark } from "./conversation.ts";
import { createPlaces, type Places } from "./places.ts";

let clock: TestClock;
let places: Places;
let heard: unknown[][];
let sent: NonNullable<SyncRequestInit["message"]>[];
let watermarks: Watermark[];
let conversation: Conversation;
/** By its digest, what judges a policy; with a message, by which it is not enforced. */
const judge = new Map<string, (message: string) => void>();

beforeEach(() => {
  clock = new TestClock();
  places = createPlaces();
  heard = [];
  sent = [];
  watermarks = [];
  conversation = begin();
});

function begin(): Conversation {
  const sessions: SyncListener = {
    storeChanged: () => heard.push(["storeChanged"]),
    begin: (tenant, missed) => heard.push(["begin", tenant, missed]),
    event: (event) => heard.push(["event", event]),
    horizon: (at) => heard.push(["horizon", clock.wallMs() - at.wallMs, clock.monotonicMs() - at.monotonicMs]),
    ended: () => heard.push(["ended"]),
  };
  const handlers = {
    welcome: (welcome: unknown) => heard.push(["welcome", welcome]),
    policy(policy: Policy, answer: (verdict: PolicyVerdict) => void) {
      judge.set(policy.digest, (message) => answer({ enforced: message === "", missingFeatures: [], message }));
    },
    policyRemoved: ({ name }: { name: string }) => heard.push(["removed", name]),
    policiesTold: (names: readonly { name: string }[]) => heard.push(["told", ...names.map(({ name }) => name)]),
    sessions,
    seen: (tenant: string, seq: bigint) => heard.push(["seen", tenant, seq]),
    watermarks: () => watermarks,
  };
  return createConversation({ places, handlers, clock, send: (message) => sent.push(message) });
}

const take = (message: NonNullable<SyncResponseInit["message"]>) =>
  conversation.take(create(SyncResponseSchema, { message }));
const welcome = (store = "1/1") =>
  take({ case: "welcome", value: { protocol: 1, store, registrar: "hub-1", pod: "shop/web-0" } });
const beginAt = (seq: bigint) => take({ case: "begin", value: { tenant: "t", seq } });
const event = (seq: bigint, kind: EventKind = EventKind.OTHER) =>
  take({ case: "event", value: { tenant: "t", seq, kind, session: "s", generation: 2n } });

describe("what the hub may say", () => {
  test.each<[string, ...(() => void)[]]>([
    ["something before its welcome", () => beginAt(1n)],
    ["a welcome of another protocol", () => take({ case: "welcome", value: { protocol: 2, store: "1/1" } })],
    ["two welcomes", () => welcome(), () => welcome()],
    ["an event of a tenant that has not begun", () => welcome(), () => event(1n)],
    ["an event that is not the next one", () => welcome(), () => beginAt(1n), () => event(3n)],
    ["an event again", () => welcome(), () => beginAt(1n), () => event(1n)],
    ["an answer to no probe", () => welcome(), () => take({ case: "probeAnswer", value: { nonce: 1n, ageUs: 0n } })],
  ])("is not %s", (_, ...steps) => {
    const say = steps.pop() ?? (() => {});
    for (const step of steps) step();
    expect(say).toThrow(expect.objectContaining({ code: "INTERNAL" }));
    expect(heard.filter(([what]) => what === "horizon")).toEqual([]);
  });

  test("is more than this version knows", () => {
    welcome();
    conversation.take(create(SyncResponseSchema, {}));
  });
});

describe("events", () => {
  test("of an unknown kind have every state of the tenant read again", () => {
    welcome();
    beginAt(4n);
    for (const [index, kind] of [EventKind.UNSPECIFIED, EventKind.TENANT_CHANGED, 77 as EventKind].entries()) {
      event(5n + BigInt(index), kind);
    }
    const told = heard.filter(([what]) => what === "event");
    expect(told).toEqual(Array.from({ length: 3 }, () => ["event", { kind: "TenantChanged", tenant: "t" }]));
  });

  test("that only advance the cursor tell nobody", () => {
    welcome();
    beginAt(4n);
    event(5n);
    expect(heard.filter(([what]) => what === "event")).toEqual([]);
    expect(places.cursors()).toEqual([{ tenant: "t", seq: 5n }]);
  });

  test("of sessions are told before anybody reckons with them", () => {
    welcome();
    beginAt(4n);
    event(5n, EventKind.SESSION_CLOSED);
    expect(heard.slice(-2)).toEqual([
      ["event", { kind: "SessionClosed", tenant: "t", session: "s", generation: 2n }],
      ["seen", "t", 5n],
    ]);
  });
});

describe("a later stream", () => {
  test("begins where the last one ended, or has missed something", () => {
    welcome();
    beginAt(4n);
    event(5n);
    conversation = begin();
    welcome();
    beginAt(5n);
    conversation = begin();
    welcome();
    beginAt(7n);
    expect(heard.filter(([what]) => what === "begin")).toEqual([
      ["begin", "t", true],
      ["begin", "t", false],
      ["begin", "t", true],
    ]);
  });

  test("to another store drops all that is remembered, before anything else", () => {
    welcome("1/1");
    beginAt(4n);
    conversation = begin();
    heard = [];
    welcome("1/2");
    beginAt(4n);
    expect(heard.map(([what]) => what)).toEqual(["storeChanged", "welcome", "begin", "seen"]);
    expect(heard[2]).toEqual(["begin", "t", true]);
  });

  test("after an event that was missing begins anew", () => {
    welcome();
    beginAt(4n);
    expect(() => event(6n)).toThrow();
    expect(places.cursors()).toEqual([]);
  });
});

describe("probes", () => {
  test("give a horizon of t0 − age, on both clocks", () => {
    welcome();
    conversation.probe();
    clock.pass(40);
    take({ case: "probeAnswer", value: { nonce: 1n, ageUs: 100_000n } });
    expect(heard.at(-1)).toEqual(["horizon", 140, 140]);
  });

  test("carry the watermarks, and are not sent before the welcome", () => {
    conversation.probe();
    expect(sent).toEqual([]);
    welcome();
    watermarks = [{ tenant: "t", journal: "j", outboxSeq: 5n }];
    conversation.probe();
    expect(sent).toEqual([{ case: "probe", value: { nonce: 1n, watermarks } }]);
  });

  test("that were passed over are answered no more", () => {
    welcome();
    conversation.probe();
    conversation.probe();
    take({ case: "probeAnswer", value: { nonce: 2n, ageUs: 0n } });
    expect(() => take({ case: "probeAnswer", value: { nonce: 1n, ageUs: 0n } })).toThrow();
  });
});

test("policies are acknowledged as the app judges them, when it does, and as often, but not to a stream that has ended", () => {
  welcome();
  for (const name of ["good", "bad", "late"])
    take({ case: "policy", value: { namespace: "shop", name, digest: `sha256:${name}` } });
  expect(sent).toEqual([]);
  judge.get("sha256:bad")?.("no");
  judge.get("sha256:good")?.("");
  judge.get("sha256:bad")?.("");
  conversation.end();
  judge.get("sha256:late")?.("");
  expect(sent.map((message) => message.value)).toMatchObject([
    { namespace: "shop", name: "bad", digest: "sha256:bad", enforced: false, message: "no" },
    { namespace: "shop", name: "good", digest: "sha256:good", enforced: true, message: "" },
    { namespace: "shop", name: "bad", digest: "sha256:bad", enforced: true, message: "" },
  ]);
});

test("a policy's older version is not acknowledged any more, whatever becomes of it", () => {
  welcome();
  for (const digest of ["sha256:old", "sha256:new"])
    take({ case: "policy", value: { namespace: "shop", name: "web", digest } });
  judge.get("sha256:new")?.("no");
  judge.get("sha256:old")?.("");
  expect(sent.map((message) => message.value)).toMatchObject([{ digest: "sha256:new", enforced: false }]);
});

test("once all of the pod's policies have been told, it is said which they are: those of former streams may be gone", () => {
  const policy = (name: string) =>
    take({ case: "policy", value: { namespace: "shop", name, digest: `sha256:${name}` } });
  const answer = (nonce: bigint) => take({ case: "probeAnswer", value: { nonce, ageUs: 0n } });
  welcome();
  policy("good");
  conversation.probe();
  expect(heard.filter(([what]) => what === "told")).toEqual([]);
  answer(1n);
  policy("later");
  conversation.probe();
  answer(2n);
  conversation = begin();
  welcome();
  conversation.probe();
  answer(1n);
  expect(heard.filter(([what]) => what === "told")).toEqual([["told", "good"], ["told"]]);
});
