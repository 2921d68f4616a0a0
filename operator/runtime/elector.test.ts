import { type Clock, createLogs, createMetrics, systemClock } from "@heauth/program";
import { type ClusterClient, openCluster } from "@heauth/program/kubernetes";
import { createManualClock, type FakeApi, json, type ManualClock, startFakeApi, status } from "@heauth/program/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createElector, type Elector } from "./elector.ts";
import type { Lease } from "./lease.ts";

const LEASE_MS = 15_000;
const RENEW_MS = 10_000;

let api: FakeApi;
let client: ClusterClient;
let clock: ManualClock;
let lease: Lease | undefined;
/** How often the Lease was written. */
let writes: number;
let refusal: { code: number; reason: string } | undefined;
const candidates: Candidate[] = [];

/** A Lease with optimistic concurrency, in memory. */
beforeEach(async () => {
  lease = undefined;
  refusal = undefined;
  writes = 0;
  clock = createManualClock();
  api = await startFakeApi();
  ({ client } = await openCluster({ kubeconfig: api.kubeconfig }));
  api.answer(({ method, body }, response) => {
    if (refusal !== undefined) return json(response, status(refusal.code, refusal.reason, "refused"), refusal.code);
    if (method === "GET") {
      return lease === undefined ? json(response, status(404, "NotFound", "none"), 404) : json(response, lease);
    }
    const sent: Lease = JSON.parse(body);
    const isNewest = sent.metadata.resourceVersion === lease?.metadata.resourceVersion;
    if (!isNewest) return json(response, status(409, method === "POST" ? "AlreadyExists" : "Conflict", "changed"), 409);
    lease = { ...sent, metadata: { ...sent.metadata, uid: "u", resourceVersion: String(++writes) } };
    json(response, lease);
  });
});
afterEach(async () => {
  for (const { elector, end } of candidates.splice(0)) {
    const stopped = elector.stop(AbortSignal.timeout(1_000));
    // Whatever a test that failed has left undone.
    end();
    await stopped;
  }
  await api.stop();
});

interface Candidate {
  readonly elector: Elector;
  /** The next time that it leads. */
  leads(): Promise<AbortSignal>;
  /** Lets its leading end: without it a leader that has lost goes on cleaning up. */
  end(error?: Error): void;
}

async function candidate(identity: string, timing: { renewMs?: number; clock?: Clock } = {}): Promise<Candidate> {
  let begun = Promise.withResolvers<AbortSignal>();
  let work = Promise.withResolvers<void>();
  const elector = createElector({
    client,
    namespace: "heauth-system",
    name: "operator",
    identity,
    leaseMs: LEASE_MS,
    renewMs: RENEW_MS,
    retryMs: 10,
    async lead(lost) {
      begun.resolve(lost);
      await work.promise;
    },
    log: createLogs({ program: "test", level: "silent" }).log,
    metrics: createMetrics(),
    clock,
    ...timing,
  });
  await elector.start();
  const one: Candidate = {
    elector,
    leads: async () => {
      const signal = await begun.promise;
      begun = Promise.withResolvers();
      return signal;
    },
    end(error) {
      if (error === undefined) work.resolve();
      else work.reject(error);
      work = Promise.withResolvers();
    },
  };
  candidates.push(one);
  return one;
}

const aborted = async (signal: AbortSignal) => {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
};

/** When the API server has been asked so many times more. */
async function asked(times: number): Promise<void> {
  const until = api.requests.length + times;
  const deadline = AbortSignal.timeout(25_000);
  while (api.requests.length < until) {
    if (deadline.aborted) throw new Error(`it was asked ${until - api.requests.length} times less than that`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("the first one creates the Lease, and renews it by writes alone", async () => {
  const one = await candidate("one");
  await one.leads();
  expect(one.elector.leading()).toBe(true);
  await asked(3);
  expect(api.requests.map(({ method }) => method).slice(0, 5)).toEqual(["GET", "POST", "PUT", "PUT", "PUT"]);
  expect(lease?.spec).toMatchObject({ holderIdentity: "one", leaseDurationSeconds: 15, leaseTransitions: 0 });
  expect(lease?.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  one.end();
});

test.each<[string, () => void]>([
  ["that slept", () => clock.sleep(RENEW_MS)],
  [
    "whose wall clock stood still",
    () => {
      clock.setWall(clock.wallMs() - 3_600_000);
      clock.advance(RENEW_MS);
    },
  ],
])("a leader %s leads no more, though it was never told", async (_, jump) => {
  const one = await candidate("one");
  const lost = await one.leads();
  // Nothing of ours runs between the jump and the question.
  jump();
  expect(one.elector.leading()).toBe(false);
  await aborted(lost);
  one.end();
  await one.leads();
  expect(one.elector.leading()).toBe(true);
  one.end();
});

test("a leader that cannot renew has lost when its time is up, and leads again only when its work has ended", async () => {
  const one = await candidate("one");
  const lost = await one.leads();
  refusal = { code: 503, reason: "ServiceUnavailable" };
  await asked(2);
  expect(lost.aborted).toBe(false);
  clock.advance(RENEW_MS - 1);
  expect(one.elector.leading()).toBe(true);
  clock.advance(1);
  await aborted(lost);
  refusal = undefined;
  const before = writes;
  // Another one tries as often as this one would, and may not have it yet.
  await candidate("two");
  await asked(10);
  expect(writes).toBe(before);
  expect(one.elector.leading()).toBe(false);
  one.end();
  await one.leads();
  one.end();
});

test("another waits until the record stood still for the lease's time on its own clock, whatever the wall clock does", async () => {
  lease = {
    metadata: { namespace: "heauth-system", name: "operator", uid: "u", resourceVersion: "0" },
    spec: {
      holderIdentity: "gone",
      leaseDurationSeconds: 15,
      renewTime: "2001-01-01T00:00:00.000000Z",
      leaseTransitions: 4,
    },
  };
  const two = await candidate("two");
  await asked(3);
  clock.setWall(clock.wallMs() + 3_600_000);
  clock.advance(LEASE_MS - 1);
  await asked(3);
  expect(writes).toBe(0);
  lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: "renewed" } };
  await asked(3);
  clock.advance(LEASE_MS - 1);
  await asked(3);
  expect(writes).toBe(0);
  clock.advance(1);
  await two.leads();
  expect(lease.spec).toMatchObject({ holderIdentity: "two", leaseTransitions: 5 });
  two.end();
});

test("a leader whose Lease was taken or deleted under its feet notices at the next renewal", async () => {
  const one = await candidate("one");
  const lost = await one.leads();
  lease = {
    metadata: { ...lease?.metadata, resourceVersion: "x" },
    spec: { holderIdentity: "two", leaseDurationSeconds: 15 },
  };
  await aborted(lost);
  expect(one.elector.leading()).toBe(false);
  one.end();
});

test("a renewal that takes several slow answers does not outlast the leader's time", async () => {
  const one = await candidate("one", { renewMs: 1_000, clock: systemClock });
  const lost = await one.leads();
  // Each answer comes within a call's own deadline; a write, a look and another write take longer than the leader has.
  const slowMs = 450;
  let answers = 0;
  api.answer(({ method }, response) => {
    const answer = () => {
      answers++;
      if (method === "GET") json(response, lease);
      else json(response, status(409, "Conflict", "changed"), 409);
    };
    setTimeout(answer, slowMs);
  });
  await aborted(lost);
  // The other write's answer would come too late.
  expect(answers).toBeLessThan(3);
  one.end();
});

test("stopped, it waits for its work, renewing, and gives the Lease back", async () => {
  const one = await candidate("one");
  const lost = await one.leads();
  const stopped = one.elector.stop(AbortSignal.timeout(5_000));
  await aborted(lost);
  await asked(3);
  expect(one.elector.leading()).toBe(true);
  one.end();
  await stopped;
  expect(lease?.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  expect(one.elector.leading()).toBe(false);
});

test("work that fails gives the Lease back, and is begun again", async () => {
  const one = await candidate("one");
  await one.leads();
  one.end(new Error("lead"));
  await one.leads();
  expect(lease?.spec).toMatchObject({ holderIdentity: "one" });
  one.end();
});
