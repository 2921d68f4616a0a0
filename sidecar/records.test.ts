import { createHealth, createLogs, createMetrics } from "@heauth/program";
import type { Policy } from "@heauth/protocol";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { HubConnection, HubListener } from "./hub/connection.ts";
import { createRecords, type Records } from "./records.ts";
import { testCache } from "./sessions/testing.ts";
import { decision, JournalRig, owner, smallLimits } from "./shipper/testing/journal-rig.ts";
import { compiledPolicy } from "./testing/policy.ts";

let rig: JournalRig;
let records: Records;
let told: HubListener;
let failures: [Error, number | undefined][];
const health = createHealth();
const metrics = createMetrics();

beforeEach(async () => {
  rig = await JournalRig.make();
  failures = [];
  const { cache, clock } = testCache();
  // Plays the hub's part by hand: what it says, and when.
  const hub: HubConnection = {
    name: "hub",
    sessions: { lookUp: () => Promise.reject(new Error("not asked here")) },
    journals: rig.hub,
    connected: true,
    listen(listener) {
      told = listener;
    },
    start: async () => {},
    stop: async () => {},
  };
  records = createRecords({
    folder: rig.folder,
    limits: smallLimits,
    hub,
    sessions: cache.listener,
    clock,
    log: createLogs({ program: "test", level: "silent" }).log,
    metrics,
    health,
    misfit: () => undefined,
    onPolicy: (_, tell) => tell(),
    onNoPolicy: () => {},
    fail: (error, code) => void failures.push([error as Error, code]),
  });
  await records.start();
});
afterEach(async () => {
  await records.stop(AbortSignal.timeout(2_000));
  await rig.end();
});

const whyNotReady = () => health.ready().problems["records"];
const welcome = () => told.welcome({ registrar: owner.registrar, pod: owner.pod });

function policy(): Policy {
  const { bytes, digest } = compiledPolicy({ tenantId: owner.tenant });
  const given = { namespace: "shop", name: "web", digest, compiled: bytes, tenant: owner.tenant, tagKeys: [] };
  return given as unknown as Policy;
}

async function opened(): Promise<void> {
  welcome();
  told.policy(policy(), () => {});
  // The hub's commit of journal.open is what is awaited; the rig's hub answers at once.
  while (told.progress() === undefined) await new Promise((resolve) => setImmediate(resolve));
}

test("it says what it waits for: the hub, then the policy, and with it the journal", async () => {
  expect(whyNotReady()).toBe("the hub was not reached yet");
  welcome();
  expect(whyNotReady()).toBe("the journal is not open");
  expect(health.ready().problems["policy"]).toBe("no policy is in force");
  expect(told.progress()).toBeUndefined();
  await opened();
  expect(whyNotReady()).toBeUndefined();
  expect(told.progress()).toMatchObject({ tenant: owner.tenant, nextSeq: 1, committedSeq: 1 });
});

test("in whichever order policy and welcome come, the journal is the pod's, for the tenant", async () => {
  told.policy(policy(), () => {});
  expect(rig.hub.journals.size).toBe(0);
  await opened();
  const [journal] = rig.hub.journals.values();
  expect(journal?.registration).toMatchObject({ tenant: owner.tenant, pod: owner.pod, registrar: owner.registrar });
});

test("a stream that comes back opens no second journal", async () => {
  await opened();
  welcome();
  told.policy(policy(), () => {});
  await records.enforcement.current()?.journal.write(decision(1), "Database");
  expect(rig.hub.journals.size).toBe(1);
});

test("before the journal is open a record is refused, not kept", async () => {
  told.policy(policy(), () => {});
  const journal = records.enforcement.current()?.journal;
  await expect(journal?.write(decision(1), "Local")).rejects.toMatchObject({ code: "JournalNotOpen" });
});

test("how much waits is measured", async () => {
  await opened();
  rig.hub.fault = () => "NotReached";
  const journal = records.enforcement.current()?.journal;
  for (let n = 0; n < 3; n++) await journal?.write(decision(n), "Local");
  const text = await metrics.text();
  expect(text).toMatch(/^heauth_records_unshipped 3$/m);
  expect(text).toMatch(/^heauth_wal_quota_bytes 16777216$/m);
});
