import { createLogs, uuidv7 } from "@heauth/program";
import { type Database, notePolicyAck } from "@heauth/store";
import { insertTenant, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { AckWatch } from "./auth-policy/ack-watch.ts";
import { TroubleWatch } from "./tenant/trouble-watch.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let store: TestDatabase;
let operator: Database;
let hub: Database;
let tenant: string;
beforeEach(async () => {
  store = await testDatabase();
  operator = await store.database("heauth_operator");
  hub = await store.database("heauth_hub");
  tenant = await insertTenant(store.superuser, "acme");
});
afterEach(() => store.drop());

const ack = (pod: string, name = "web", digest = "d") => {
  const said = { namespace: "shop", name, pod, digest, enforced: true, missingFeatures: [], message: "" };
  return hub.tenantTransaction(tenant, (tx) => notePolicyAck(tx, { ...said, tenantId: tenant }));
};

test("what pods say is told once per policy and reading, from the start on", async () => {
  const told: string[] = [];
  const watch = new AckWatch({
    database: operator,
    log,
    onAcked: ({ namespace, name }) => told.push(`${namespace}/${name}`),
  });
  const round = async () => {
    await watch.round();
    return told.splice(0).sort();
  };
  await ack("shop/early");
  expect(await round()).toEqual([]);
  await ack("shop/a");
  await ack("shop/b");
  await ack("shop/c", "api");
  expect(await round()).toEqual(["shop/api", "shop/web"]);
  expect(await round()).toEqual([]);
  await ack("shop/a", "web", "newer");
  expect(await round()).toEqual(["shop/web"]);
  expect(await round()).toEqual([]);
});

test("what is committed late, under an earlier time, is told all the same", async () => {
  const told: string[] = [];
  const watch = new AckWatch({ database: operator, log, onAcked: ({ name }) => told.push(name) });
  await watch.round();
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const late = hub.tenantTransaction(tenant, async (tx) => {
    await tx.query("SELECT");
    begun.resolve();
    await goOn.promise;
    const said = {
      namespace: "shop",
      name: "late",
      pod: "shop/l",
      digest: "d",
      enforced: true,
      missingFeatures: [],
      message: "",
    };
    await notePolicyAck(tx, { ...said, tenantId: tenant });
  });
  await begun.promise;
  await ack("shop/a");
  await watch.round();
  goOn.resolve();
  await late;
  await watch.round();
  expect(told).toEqual(["web", "late"]);
});

test("tenants' troubles are told when they begin, change and end; in between nothing is", async () => {
  const told: string[] = [];
  const watch = new TroubleWatch({ database: operator, log, onChange: (name) => told.push(name) });
  const round = async () => {
    await watch.round();
    return [told.splice(0), watch.of(tenant)?.halted, watch.of(tenant)?.failing];
  };
  expect(await round()).toEqual([[], undefined, undefined]);
  await store.superuser.query(
    "INSERT INTO log_head (tenant_id, epoch, size, root, frontier) VALUES ($1, 0, 0, '', '')",
    [tenant],
  );
  expect(await round()).toEqual([[], undefined, undefined]);
  await store.superuser.query("UPDATE log_head SET halted = 'RolledBack: size 3'");
  expect(await round()).toEqual([["acme"], "RolledBack: size 3", []]);
  expect(await round()).toEqual([[], "RolledBack: size 3", []]);
  const alert = uuidv7();
  await store.superuser.query(
    `INSERT INTO alert (tenant_id, id, reason, dedup_key, details, first_at, last_at) VALUES ($1, $2, 'x', 'x', '{}', now(), now())`,
    [tenant, alert],
  );
  await store.superuser.query(
    "INSERT INTO alert_delivery (tenant_id, alert_id, receiver, kind, attempts, last_error) VALUES ($1, $2, 'secops', 'First', 2, 'e')",
    [tenant, alert],
  );
  expect(await round()).toEqual([[], "RolledBack: size 3", []]);
  await store.superuser.query("UPDATE alert_delivery SET attempts = 3");
  expect(await round()).toEqual([["acme"], "RolledBack: size 3", [{ receiver: "secops", error: "e" }]]);
  await store.superuser.query("UPDATE alert_delivery SET delivered_at = now()");
  await store.superuser.query("UPDATE log_head SET halted = NULL");
  expect(await round()).toEqual([["acme"], undefined, undefined]);
});

test("both run by themselves, start again after a stop, and outlive a database that is away", async () => {
  let heard = Promise.withResolvers<void>();
  let away = true;
  const flaky = {
    ...operator,
    read: (work) => (away ? Promise.reject(new Error("away")) : operator.read(work)),
  } as Database;
  const watch = new AckWatch({ database: flaky, log, everyMs: 5, onAcked: () => heard.resolve() });
  const troubles = new TroubleWatch({ database: flaky, log, everyMs: 60_000, onChange: () => heard.resolve() });
  try {
    await watch.start();
    await troubles.start();
    away = false;
    for (let told = false; !told; ) {
      await ack("shop/a", "web", uuidv7());
      told = await Promise.race([
        heard.promise.then(() => true),
        new Promise<boolean>((r) => setTimeout(r, 20, false)),
      ]);
    }
    await watch.stop();
    heard = Promise.withResolvers();
    await store.superuser.query(
      "INSERT INTO log_head (tenant_id, epoch, size, root, frontier, halted) VALUES ($1, 0, 0, '', '', 'why')",
      [tenant],
    );
    troubles.look();
    await heard.promise;
    expect(troubles.of(tenant)?.halted).toBe("why");
  } finally {
    await watch.stop();
    await troubles.stop();
  }
});
