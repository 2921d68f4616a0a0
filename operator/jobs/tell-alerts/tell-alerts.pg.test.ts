import { defaultTenantSettings } from "@heauth/core/resources";
import { uuidv7 } from "@heauth/program";
import { createManualClock } from "@heauth/program/testing";
import { type Database, notePolicyAck, type Occurrence, type RaisedAlert, raiseAlerts } from "@heauth/store";
import { insertTenant, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { TellAlerts, type TellAlertsOptions } from "./tell-alerts.ts";

let store: TestDatabase;
let operator: Database;
let hub: Database;
let tenant: { id: string; name: string };
let told: RaisedAlert[];
let omitted: RaisedAlert[];

beforeAll(async () => {
  store = await testDatabase();
  operator = await store.database("heauth_operator");
  hub = await store.database("heauth_hub");
});
afterAll(() => store.drop());
beforeEach(async () => {
  await store.superuser.query("DELETE FROM alert");
  const name = `t${uuidv7().slice(-12)}`;
  tenant = { name, id: await insertTenant(store.superuser, name, defaultTenantSettings(name, ["shop"])) };
  [told, omitted] = [[], []];
});

const create = (more: Partial<TellAlertsOptions> = {}) =>
  new TellAlerts({
    database: operator,
    teller: { tell: (alert) => void told.push(alert), tellOmitted: (alert) => void omitted.push(alert) },
    ...more,
  });

function occurrence(dedupKey: string, more: Partial<Occurrence> = {}): Occurrence {
  const details = { pod: "shop/web-0", rule: "read", path: "/patients/1", peer: "192.0.2.7", method: "GET" };
  const recordId = `${uuidv7()}/7`;
  return { reason: "BadSignature", dedupKey, at: Date.now() * 1000, recordId, details, ...more };
}
const raise = (...occurrences: Occurrence[]) =>
  hub.tenantTransaction(tenant.id, (tx) => raiseAlerts(tx, tenant.id, occurrences));

function ack(name: string, pod: string): Promise<void> {
  const given = { namespace: "shop", name, pod, digest: "sha256:0", enforced: true, missingFeatures: [], message: "" };
  return hub.tenantTransaction(tenant.id, (tx) => notePolicyAck(tx, { tenantId: tenant.id, ...given }));
}

test("a new alert is told of once, without anything of a person, and with the policy of its pod", async () => {
  await ack("old", "shop/web-0");
  await ack("web", "shop/web-0");
  await ack("other", "shop/web-1");
  const job = create();
  const first = occurrence("a");
  await raise(first);
  await raise(occurrence("a"));
  expect(await job.round()).toBe(false);
  await job.round();
  expect(told).toEqual([
    {
      id: expect.any(String),
      reason: "BadSignature",
      tenantName: tenant.name,
      raisedAt: expect.any(Number),
      recordId: first.recordId,
      pod: "shop/web-0",
      rule: "read",
      namespace: "shop",
      policy: "web",
    },
  ]);
  await raise({ reason: "Unsealed", dedupKey: "b", at: Date.now() * 1000, details: { finding: "x" } });
  await job.round();
  expect(told[1]).toMatchObject({ recordId: null, pod: null, rule: null, namespace: null, policy: null });
});

test("one whose transaction ends after another's is not missed", async () => {
  const job = create();
  const [began, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const late = hub.tenantTransaction(tenant.id, async (tx) => {
    await raiseAlerts(tx, tenant.id, [occurrence("late")]);
    began.resolve();
    await go.promise;
  });
  await began.promise;
  await raise(occurrence("early"));
  await job.round();
  expect(told).toHaveLength(1);
  go.resolve();
  await late;
  await job.round();
  expect(new Set(told.map(({ recordId }) => recordId)).size).toBe(2);
});

test("what was raised long ago is no news", async () => {
  await raise(occurrence("a"));
  await store.superuser.query("UPDATE alert SET raised_at = now() - interval '61 s'");
  await create().round();
  expect(told).toEqual([]);
});

test("of many of one policy's the rest is told of as such, until its time is over", async () => {
  const clock = createManualClock();
  const job = create({ clock, budget: { most: 2, windowMs: 60_000 } });
  await raise(...["a", "b", "c", "d"].map((key) => occurrence(key)));
  await job.round();
  expect([told.length, omitted.length]).toEqual([2, 1]);
  await raise(occurrence("e", { details: { pod: "shop/elsewhere" } }));
  await ack("web", "shop/guarded");
  await raise(occurrence("f", { details: { pod: "shop/guarded" } }));
  await job.round();
  expect([told.length, omitted.length]).toEqual([3, 1]);
  clock.advance(60_000);
  await raise(occurrence("g"));
  await job.round();
  expect([told.length, omitted.length]).toEqual([4, 1]);
});
