import { createLogs } from "@heauth/program";
import { openCluster } from "@heauth/program/kubernetes";
import { createManualClock, type FakeApi, json, startFakeApi, status } from "@heauth/program/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createEvents, type Events } from "./events.ts";

let api: FakeApi;
let events: Events;
let lines: { msg: string; dropped?: number }[];
const clock = createManualClock();
const acme = { apiVersion: "heauth.io/v1alpha1", kind: "Tenant", name: "acme", uid: "u1" };
const ready = { type: "Normal", reason: "Ready", action: "Reconcile", note: "all is well" } as const;

beforeEach(async () => {
  api = await startFakeApi();
  const { client } = await openCluster({ kubeconfig: api.kubeconfig });
  lines = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const { log } = createLogs({ program: "test", level: "info", destination });
  events = createEvents({ client, reportingController: "heauth.io/operator", reportingInstance: "pod-1", log, clock });
});
afterEach(async () => {
  await api.stop();
});

const flushed = async () => await events.stop(AbortSignal.timeout(5_000));
const sent = () => api.requests.map(({ body }) => JSON.parse(body));

test("the same is not said twice within ten minutes, unless it could not be said", async () => {
  api.answer((_, response) => json(response, status(500, "InternalError", "no"), 500));
  events.record(acme, ready);
  await flushed();
  api.answer((_, response) => json(response, {}));
  events.record(acme, ready);
  events.record(acme, ready);
  events.record(acme, { ...ready, note: "otherwise" });
  events.record({ ...acme, uid: "u2" }, ready);
  await flushed();
  expect(api.requests).toHaveLength(4);
  clock.advance(10 * 60_000 - 1);
  events.record(acme, ready);
  clock.advance(1);
  events.record(acme, ready);
  await flushed();
  expect(api.requests).toHaveLength(5);
});

test("while the API server does not answer, nobody is kept waiting, at the end neither", async () => {
  api.answer(() => {});
  for (let i = 0; i < 5_000; i++) events.record({ ...acme, uid: String(i) }, ready);
  await events.stop(AbortSignal.timeout(50));
  expect(api.requests.length).toBeLessThanOrEqual(1);
});

test("what is left out is said with how much it was, once a minute at most", async () => {
  api.answer(() => {});
  const record = (count: number, note: string) => {
    for (let i = 0; i < count; i++) events.record({ ...acme, uid: String(i) }, { ...ready, note });
  };
  // One is on its way; 200 wait.
  record(201, "first");
  expect(lines).toEqual([]);
  record(100, "second");
  clock.advance(60_000 - 1);
  record(1, "third");
  expect(lines).toMatchObject([{ dropped: 1 }]);
  clock.advance(1);
  record(1, "fourth");
  expect(lines).toMatchObject([{ dropped: 1 }, { dropped: 101 }]);
  await events.stop(AbortSignal.abort());
});

test("names and notes are cut to what the API server takes", async () => {
  events.record({ ...acme, name: `${"a".repeat(199)}-b` }, { ...ready, note: "ä".repeat(1_000) });
  await flushed();
  const [{ metadata, note }] = sent();
  expect(metadata).toEqual({ namespace: "default", name: expect.stringMatching(/^a{199}\.[0-9a-f]{16}$/) });
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
  expect(note).toMatch(/^ä+…$/);
});
