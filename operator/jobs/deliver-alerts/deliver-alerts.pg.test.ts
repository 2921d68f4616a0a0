import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createLogs, createMetrics, uuidv7 } from "@heauth/program";
import { abandon, type Database, markFailed, raiseAlerts, takeDueDeliveries } from "@heauth/store";
import { insertSession, insertTenant, type TestDatabase, testDatabase, testKeys } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Webhook } from "standardwebhooks";
import { AlertDeliverer, type DeliverAlertsOptions } from "./deliver-alerts.ts";

const keys = testKeys();
const SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const { log } = createLogs({ program: "test", level: "silent" });
let store: TestDatabase;
let operator: Database;
let tenant: { id: string; name: string };
let session: string;
let server: Server;
let url: string;
let status: number;
let delayMs: number;
let got: { id: string; message: { type: string; data: Record<string, unknown> } }[];

beforeAll(async () => {
  store = await testDatabase();
  operator = await store.database("heauth_operator");
});
afterAll(() => store.drop());

beforeEach(async () => {
  status = 200;
  delayMs = 0;
  got = [];
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = request.headers as Record<string, string>;
    const message = new Webhook(SECRET).verify(Buffer.concat(chunks).toString(), headers) as never;
    got.push({ id: headers["webhook-id"] ?? "", message });
    setTimeout(() => response.writeHead(status).end(), delayMs);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const name = `t${uuidv7().slice(-12)}`;
  const receivers = [{ name: "secops", webhook: { url, signingSecretRef: { name: "hook", key: "secret" } } }];
  tenant = { name, id: await insertTenant(store.superuser, name, { alerts: { receivers, dedupWindowMs: 300_000 } }) };
  const userId = uuidv7();
  await store.superuser.query(
    "INSERT INTO tenant_user (tenant_id, id, login, email, subject, password_hash) VALUES ($1, $2, 'ada', 'ada@acme.test', 'ada', 'x')",
    [tenant.id, userId],
  );
  session = (await insertSession(store.superuser, keys, tenant.id, { userId })).id;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await store.superuser.query("DELETE FROM alert_delivery");
});

function deliverer(options: Partial<DeliverAlertsOptions> = {}) {
  return new AlertDeliverer({
    database: operator,
    log,
    metrics: createMetrics(),
    secrets: {
      secret: (of, ref) =>
        of === tenant.name && ref.name === "hook"
          ? { ok: true, value: Buffer.from(SECRET) }
          : { ok: false, reason: "NotFound" },
    },
    ...options,
  });
}

function raise(n = 1, key = "a", at = Date.now() * 1000) {
  const occurrence = {
    reason: "BadSignature",
    dedupKey: key,
    at,
    sessionId: session,
    recordId: `${uuidv7()}/7`,
    details: {
      action: "patient.read",
      method: "GET",
      path: "/patients/1",
      rule: "r",
      pod: "shop/web-0",
      peer: "192.0.2.7",
    },
  };
  return operator.transaction((tx) => raiseAlerts(tx, tenant.id, Array(n).fill(occurrence)));
}

const states = () =>
  store.superuser.query<{
    kind: string;
    attempts: number;
    done: boolean;
    gone: boolean;
    wait: number;
    last_error: string | null;
  }>(
    `SELECT kind, attempts, delivered_at IS NOT NULL AS done, abandoned_at IS NOT NULL AS gone, last_error,
            extract(epoch FROM next_at - now())::float AS wait FROM alert_delivery ORDER BY kind`,
  );
const makeDue = () => store.superuser.query("UPDATE alert_delivery SET next_at = now() WHERE delivered_at IS NULL");

test("an alert tells who, what, when and where, signed, and once", async () => {
  await raise();
  const job = deliverer();
  await job.round();
  await makeDue();
  await job.round();
  expect(got).toHaveLength(1);
  expect(got[0]?.message).toMatchObject({
    type: "alert.raised",
    data: {
      tenant: { id: tenant.id, name: tenant.name },
      reason: "BadSignature",
      count: 1,
      user: { login: "ada", email: "ada@acme.test" },
      session: { id: session, openedAt: expect.stringMatching(/^20.*Z$/) },
      action: "patient.read",
      method: "GET",
      path: "/patients/1",
      rule: "r",
      pod: "shop/web-0",
      peer: "192.0.2.7",
      record: expect.stringMatching(/\/7$/),
      firstAt: expect.stringMatching(/^20.*Z$/),
    },
  });
});

test("how often it came is told when its window is over", async () => {
  await raise();
  await raise(4);
  const job = deliverer();
  await job.round();
  expect(got.map(({ message }) => [message.type, message.data["count"]])).toEqual([["alert.raised", 5]]);
  expect((await states()).find(({ kind }) => kind === "Total")?.wait).toBeGreaterThan(290);
  await makeDue();
  await job.round();
  expect(got.map(({ message }) => message.type)).toEqual(["alert.raised", "alert.total"]);
});

test("a refusal is tried again, later and later, with the same id", async () => {
  await raise();
  status = 503;
  const job = deliverer({ random: () => 1 });
  await job.round();
  expect(await states()).toMatchObject([{ attempts: 1, done: false, last_error: expect.stringContaining("503") }]);
  const [{ wait: first } = { wait: 0 }] = await states();
  await job.round();
  expect(got).toHaveLength(1);
  await makeDue();
  await job.round();
  const [{ wait: second } = { wait: 0 }] = await states();
  expect(first).toBeGreaterThan(4);
  expect(second).toBeGreaterThan(9);
  status = 200;
  await makeDue();
  await job.round();
  expect(await states()).toMatchObject([{ attempts: 3, done: true, last_error: null }]);
  expect(new Set(got.map(({ id }) => id)).size).toBe(1);
});

test("a receiver that takes its time holds up nobody else's, and is not told twice at once", async () => {
  const answer = Promise.withResolvers<void>();
  let asked = 0;
  const first = Promise.withResolvers<void>();
  const slow = createServer(async (_request, response) => {
    asked++;
    first.resolve();
    await answer.promise;
    response.writeHead(204).end();
  });
  await new Promise<void>((ready) => slow.listen(0, "127.0.0.1", ready));
  try {
    const webhook = { url: `http://127.0.0.1:${(slow.address() as AddressInfo).port}/` };
    const name = `t${uuidv7().slice(-12)}`;
    const receivers = [{ name: "slow", webhook: { ...webhook, signingSecretRef: { name: "hook", key: "secret" } } }];
    const other = await insertTenant(store.superuser, name, { alerts: { receivers, dedupWindowMs: 300_000 } });
    const raiseSlow = (dedupKey: string) =>
      operator.transaction((tx) =>
        raiseAlerts(tx, other, [{ reason: "BadSignature", dedupKey, at: Date.now() * 1000, details: {} }]),
      );
    const secrets = { secret: () => ({ ok: true, value: Buffer.from(SECRET) }) as const };
    const job = deliverer({ secrets, patienceMs: 20, timeoutMs: 25_000 });
    await raiseSlow("a");
    await job.round();
    await first.promise;
    await raiseSlow("b");
    await raise();
    while (got.length === 0) await job.round();
    expect(asked).toBe(1);
    answer.resolve();
    await job.stop();
    const done = await store.superuser.query("SELECT delivered_at FROM alert_delivery WHERE delivered_at IS NOT NULL");
    expect(done).toHaveLength(2);
  } finally {
    answer.resolve();
    slow.closeAllConnections();
    await new Promise((closed) => slow.close(closed));
  }
});

test("after the last attempt it is given up", async () => {
  await raise();
  status = 500;
  await store.superuser.query("UPDATE alert_delivery SET attempts = 23");
  await deliverer().round();
  expect(await states()).toMatchObject([{ gone: true, done: false }]);
});

test("beyond the receiver's budget comes one digest", async () => {
  for (let i = 0; i < 6; i++) await raise(2, `k${i}`);
  await store.superuser.query("DELETE FROM alert_delivery WHERE kind = 'Total'");
  const job = deliverer({ budget: { most: 2, windowMs: 60_000 } });
  await job.round();
  expect(got.map(({ message }) => message.type)).toEqual(["alert.raised", "alert.raised"]);
  await makeDue();
  await store.superuser.query("UPDATE alert_budget SET window_start = now() - interval '61 s'");
  await job.round();
  expect(got).toHaveLength(3);
  expect(got[2]?.message).toMatchObject({
    type: "alert.digest",
    data: { alerts: 4, reasons: { BadSignature: { alerts: 4, count: 8 } } },
  });
  expect((await states()).every(({ done }) => done)).toBe(true);
});

test("a receiver that was removed is told no more; a missing secret waits for it", async () => {
  await raise();
  await deliverer({ secrets: { secret: () => ({ ok: false, reason: "NoSuchKey" }) } }).round();
  expect(await states()).toMatchObject([
    { done: false, gone: false, last_error: expect.stringContaining("NoSuchKey") },
  ]);
  await store.superuser.query(`UPDATE tenant SET settings = jsonb_set(settings, '{alerts,receivers}', '[]')`);
  await makeDue();
  await deliverer().round();
  expect(await states()).toMatchObject([{ gone: true }]);
  expect(got).toEqual([]);
});

test("a receiver that does not answer does not keep others waiting", async () => {
  const asked = Promise.withResolvers<void>();
  const hanging = createServer(() => asked.resolve());
  await new Promise<void>((ready) => hanging.listen(0, "127.0.0.1", ready));
  const slow = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/`;
  const ref = { name: "hook", key: "secret" };
  const receivers = [
    { name: "slow", webhook: { url: slow, signingSecretRef: ref } },
    { name: "secops", webhook: { url, signingSecretRef: ref } },
  ];
  await store.superuser.query(
    "UPDATE tenant SET settings = jsonb_set(settings, '{alerts,receivers}', $2) WHERE id = $1",
    [tenant.id, JSON.stringify(receivers)],
  );
  for (let i = 0; i < 4; i++) await raise(1, `k${i}`);
  // Whoever waited for its time to be over would be told later than this test may take.
  const job = deliverer({ leaseMs: 300_000, timeoutMs: 120_000, patienceMs: 20 });
  while (got.length < 4) await job.round();
  expect(got).toHaveLength(4);
  await asked.promise;
  hanging.closeAllConnections();
  await job.stop();
  await new Promise((closed) => hanging.close(closed));
});

test("what was taken is left to the next one when the lease is nearly over, so that nobody tells of it twice", async () => {
  await raise(1, "a");
  await raise(1, "b");
  delayMs = 1_000;
  // 900 ms to tell of one, and no time for the other.
  const slow = deliverer({ leaseMs: 20_000, timeoutMs: 19_100, patienceMs: 15_000 });
  await slow.round();
  expect(got).toHaveLength(1);
  delayMs = 0;
  // The lease is over.
  await store.superuser.query(
    "UPDATE alert_delivery SET next_at = now() WHERE delivered_at IS NULL AND kind = 'First'",
  );
  const next = deliverer();
  while (got.length < 2) await next.round();
  await slow.round();
  await next.round();
  expect(new Set(got.map(({ id }) => id)).size).toBe(2);
  expect(got).toHaveLength(2);
});

test("who comes late can't take back that somebody was told", async () => {
  await raise();
  const [taken] = await operator.transaction((tx) => takeDueDeliveries(tx, { perReceiver: 8, leaseMs: 0 }));
  await deliverer().round();
  expect(got).toHaveLength(1);
  const late = taken === undefined ? [] : [taken];
  await operator.transaction((tx) => markFailed(tx, late, "no answer", 0));
  await operator.transaction((tx) => abandon(tx, late, "given up"));
  await deliverer().round();
  expect(got).toHaveLength(1);
  const rows = await store.superuser.query("SELECT abandoned_at, attempts FROM alert_delivery WHERE tenant_id = $1", [
    tenant.id,
  ]);
  expect(rows).toEqual([{ abandoned_at: null, attempts: 1 }]);
});
