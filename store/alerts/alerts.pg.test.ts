import { defaultTenantSettings } from "@heauth/core/resources";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { insertSegments } from "../ledger/ingest.ts";
import { LedgerWriter, type RecordDraft } from "../ledger/writer.ts";
import {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  TestJournal,
  type TestSession,
  testDatabase,
  testKeys,
} from "../testing/index.ts";
import type { Tx } from "../transaction.ts";
import { RUN_LENGTH } from "./from-records.ts";

const keys = testKeys();
const receiver = (name: string) => ({
  name,
  webhook: { url: "https://hooks.test/", signingSecretRef: { name: "hook", key: "secret" } },
});
let store: TestDatabase;
let hub: Database;
let identity: Database;
let tenant: string;
let session: TestSession;
let journal: TestJournal;

beforeAll(async () => {
  store = await testDatabase();
  hub = await store.database("heauth_hub");
  identity = await store.database("heauth_identity");
});
afterAll(() => store.drop());

beforeEach(async () => {
  const name = `t${uuidv7().slice(-12)}`;
  const alerts = { receivers: [receiver("secops"), receiver("mail")], dedupWindowMs: 300_000 };
  tenant = await insertTenant(store.superuser, name, { ...defaultTenantSettings(name, ["shop"]), alerts });
  session = await insertSession(store.superuser, keys, tenant);
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [openingOf(session)]));
  journal = new TestJournal(tenant, keys.hub);
  await hub.transaction((tx) => journal.register(tx, keys.hub));
});

function take(...drafts: RecordDraft[]) {
  const segment = journal.seal(...drafts);
  return hub.transaction((tx) => insertSegments(tx, tenant, journal.id, [segment]));
}

function denied(reason: string, fields: Parameters<typeof decision>[1] = {}, of: string | undefined = session.id) {
  return decision(of, { decision: "Deny", reason, ...fields });
}

function alerts() {
  return store.superuser.query(
    "SELECT reason, session_id, details, count FROM alert WHERE tenant_id = $1 ORDER BY first_at, id",
    [tenant],
  );
}

function deliveries() {
  return store.superuser.query<{ receiver: string; kind: string; next_at: number }>(
    "SELECT receiver, kind, next_at FROM alert_delivery WHERE tenant_id = $1 ORDER BY kind, receiver",
    [tenant],
  );
}

describe("alerts", () => {
  test("hold the attempt, and wait for each receiver", async () => {
    await take(denied("BadSignature"));
    expect(await alerts()).toEqual([
      {
        reason: "BadSignature",
        session_id: session.id,
        count: 1,
        details: {
          action: "patient.read",
          rule: "read-patient",
          pod: "shop/web-0",
          method: "GET",
          path: "/patients/1",
          peer: "192.0.2.7",
        },
      },
    ]);
    expect((await deliveries()).map(({ receiver: to, kind }) => [to, kind])).toEqual([
      ["mail", "First"],
      ["secops", "First"],
    ]);
  });

  test("of the same reason, session and rule are one within the window, with a count told at its end", async () => {
    const at = Date.now() * 1000 - 60e6;
    await take(denied("BadSignature", { at }), denied("BadSignature", { at: at + 1 }));
    await take(denied("BadSignature", { at: at + 2 }));
    await take(denied("BadSignature", { at: at + 3, rule: "write-patient" }));
    expect((await alerts()).map(({ count }) => count)).toEqual([3, 1]);
    const totals = (await deliveries()).filter(({ kind }) => kind === "Total");
    expect(totals).toEqual([
      { receiver: "mail", kind: "Total", next_at: at + 300e6 },
      { receiver: "secops", kind: "Total", next_at: at + 300e6 },
    ]);
  });

  test("after the window are told of anew", async () => {
    const at = Date.now() * 1000 - 900e6;
    await take(denied("SessionClosed", { at }));
    await take(denied("SessionClosed", { at: at + 299e6 }));
    await take(denied("SessionClosed", { at: at + 301e6 }));
    expect((await alerts()).map(({ count }) => count)).toEqual([2, 1]);
  });

  test("a clock that runs ahead opens no window in the future", async () => {
    await take(denied("SessionClosed", { at: Date.now() * 1000 + 3600e6 }));
    const [window] = await store.superuser.query(
      "SELECT until <= now() + interval '301 s' AS soon FROM alert_window WHERE tenant_id = $1",
      [tenant],
    );
    expect(window).toEqual({ soon: true });
  });

  test("of a clock that runs ahead are one alert, too", async () => {
    for (let hour = 1; hour < 4; hour++) await take(denied("SessionClosed", { at: Date.now() * 1000 + hour * 3600e6 }));
    expect((await alerts()).map(({ count }) => count)).toEqual([3]);
  });

  test("of many kinds in one segment take no more statements than of one", async () => {
    const statements = async (kinds: number) => {
      const peers = Array.from({ length: kinds }, (_, nth) => `10.${nth >> 8}.${nth & 255}.1`);
      const forged = peers.flatMap((peer, nth) => [
        denied("BadSignature", { rule: `rule-${nth}` }),
        ...Array.from({ length: RUN_LENGTH }, () =>
          decision(undefined, { decision: "Deny", reason: "BadTag", private: { peer } }),
        ),
      ]);
      const segment = journal.seal(...forged);
      let asked = 0;
      await hub.transaction(async (tx) => {
        const counting: Tx = {
          query: (sql, params) => {
            asked++;
            return tx.query(sql, params);
          },
        };
        await insertSegments(counting, tenant, journal.id, [segment]);
      });
      return asked;
    };
    const one = await statements(1);
    expect(await statements(150)).toBe(one + 1); // those that were there count on
    expect((await alerts()).map(({ count }) => Number(count)).toSorted((a, b) => a - b)).toEqual([
      ...Array.from({ length: 149 }, () => 1),
      2,
      ...Array.from({ length: 149 }, () => RUN_LENGTH),
      2 * RUN_LENGTH,
    ]);
  });

  test("of many at once are one, and none is uncounted", async () => {
    const journals = Array.from({ length: 8 }, () => new TestJournal(tenant, keys.hub));
    await Promise.all(
      journals.map((each) =>
        hub.transaction(async (tx) => {
          await each.register(tx, keys.hub);
          await insertSegments(tx, tenant, each.id, [each.seal(denied("BadSignature"), denied("WrongAudience"))]);
        }),
      ),
    );
    expect(await alerts()).toMatchObject([{ count: 8 }, { count: 8 }]);
    expect(await deliveries()).toHaveLength(2 * 2 * 2);
  });

  test.each(["SessionIdle", "SessionExpired", "TokenExpired", "RoleMissing", "NoCredential", "NoSuchReason"])(
    "%s raises none",
    async (reason) => {
      await take(denied(reason));
      expect(await alerts()).toEqual([]);
    },
  );

  test.each(["BadStatement", "WrongTenant", "WrongAudience", "SessionClosed"])("%s raises one", async (reason) => {
    await take(denied(reason));
    expect(await alerts()).toMatchObject([{ reason }]);
  });

  test("a refresh token used twice raises one, from identity's record", async () => {
    const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
    await identity.tenantTransaction(tenant, (tx) =>
      writer.append(tx, tenant, [{ type: "session.close", session: session.id, reason: "RefreshReuse" }]),
    );
    expect(await alerts()).toMatchObject([{ reason: "RefreshReuse", session_id: session.id }]);
  });

  test("in Shadow mode are raised too", async () => {
    await take(denied("BadSignature", { shadow: true }));
    expect(await alerts()).toHaveLength(1);
  });

  test("forged tags raise one when they come in runs from one network, not before, and not slowly", async () => {
    const at = Date.now() * 1000 - 600e6;
    const tag = (i: number, peer: string, step = 1e6) =>
      decision(undefined, {
        at: at + i * step,
        decision: "Deny",
        reason: "BadTag",
        private: { method: "GET", path: "/", peer },
      });
    const bad = (n: number, peer: (i: number) => string, step?: number) =>
      take(...Array.from({ length: n }, (_, i) => tag(i, peer(i), step)));
    await bad(19, () => "192.0.2.1");
    expect(await alerts()).toEqual([]);
    await bad(1, () => "192.0.2.200");
    expect(await alerts()).toMatchObject([{ reason: "BadTag", count: 20 }]);
    await bad(3, () => "192.0.2.9");
    expect(await alerts()).toMatchObject([{ count: 23 }]);
    for (let i = 0; i < 25; i++) await take(tag(i, "198.51.100.1", 30e6));
    expect(await alerts()).toHaveLength(1);
  });

  test("are gone with a transaction that is rolled back", async () => {
    const segment = journal.seal(denied("BadSignature"));
    const abort = hub.transaction(async (tx) => {
      await insertSegments(tx, tenant, journal.id, [segment]);
      throw new Error("no");
    });
    await expect(abort).rejects.toThrow("no");
    expect(await alerts()).toEqual([]);
  });
});
