import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { Database } from "./database.ts";
import { emit, emitAll, OUTBOX_CHANNEL, outboxHeads, readOutboxSince } from "./outbox.ts";
import { insertTenant, type TestDatabase, testDatabase } from "./testing/index.ts";

let store: TestDatabase;
let identity: Database;
let hub: Database;
let tenant: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  hub = await store.database("heauth_hub");
});
afterAll(() => store.drop());
beforeEach(async () => {
  tenant = await insertTenant(store.superuser, `t-${uuidv7()}`);
});

describe("the outbox", () => {
  test("numbers events densely in the order of commits, however transactions overlap", async () => {
    const committed: number[] = [];
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const aborts = index % 5 === 4;
        const seqs = await identity
          .tenantTransaction(tenant, async (tx) => {
            await tx.query("SELECT pg_sleep(random() * 0.01)");
            const events = Array.from({ length: 1 + (index % 3) }, () => ({ kind: "session.changed" as const }));
            const numbers = await emitAll(tx, tenant, events);
            if (aborts) throw new Error("aborted");
            return numbers;
          })
          .catch(() => []);
        committed.push(...seqs);
      }),
    );
    const events = await hub.read((tx) => readOutboxSince(tx, [{ tenantId: tenant, seq: 0 }]));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(committed.toSorted((a, b) => a - b)).toEqual(events.map(({ seq }) => seq));
  });

  test("never shows a number before a smaller one: a reader that polls meanwhile sees a growing prefix", async () => {
    let running = true;
    const polled: number[][] = [];
    const reader = (async () => {
      while (running) {
        const events = await hub.read((tx) => readOutboxSince(tx, [{ tenantId: tenant, seq: 0 }]));
        polled.push(events.map(({ seq }) => seq));
      }
    })();
    await Promise.all(
      Array.from({ length: 60 }, () =>
        identity.tenantTransaction(tenant, async (tx) => {
          await emit(tx, tenant, { kind: "session.changed" });
          await tx.query("SELECT pg_sleep(random() * 0.005)");
        }),
      ),
    );
    running = false;
    await reader;
    for (const seqs of polled) expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(polled.some(({ length }) => length > 0 && length < 60)).toBe(true);
  });

  test("is read after a cursor, for tenants that have one, and says where each stands", async () => {
    const other = await insertTenant(store.superuser, `t-${uuidv7()}`);
    const session = uuidv7();
    await identity.tenantTransaction(tenant, async (tx) => {
      await emitAll(tx, tenant, [
        { kind: "tenant.changed" },
        { kind: "session.closed", sessionId: session, generation: 2 },
      ]);
    });
    await identity.tenantTransaction(other, (tx) => emit(tx, other, { kind: "policy.changed" }));
    const seen = await hub.read(async (tx) => ({
      heads: await outboxHeads(tx, [tenant, other]),
      events: await readOutboxSince(tx, [{ tenantId: tenant, seq: 1 }]),
    }));
    expect(seen.heads).toEqual(
      [
        { tenantId: tenant, seq: 2 },
        { tenantId: other, seq: 1 },
      ].toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1)),
    );
    expect(seen.events).toEqual([
      { tenantId: tenant, seq: 2, kind: "session.closed", sessionId: session, generation: 2 },
    ]);
    expect(await hub.read((tx) => outboxHeads(tx))).toEqual(expect.arrayContaining(seen.heads));
  });

  test("notifies at the commit, and not of what was rolled back", async () => {
    const client = new pg.Client(store.url);
    await client.connect();
    const heard: (string | undefined)[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    client.on("notification", ({ payload }) => {
      heard.push(payload);
      resolve();
    });
    await client.query(`LISTEN ${OUTBOX_CHANNEL}`);
    const aborted = await insertTenant(store.superuser, `t-${uuidv7()}`);
    await expect(
      identity.tenantTransaction(aborted, async (tx) => {
        await emit(tx, aborted, { kind: "tenant.changed" });
        throw new Error("aborted");
      }),
    ).rejects.toThrow("aborted");
    await identity.tenantTransaction(tenant, (tx) => emit(tx, tenant, { kind: "tenant.changed" }));
    await promise;
    await client.end();
    expect(heard).toEqual([tenant]);
  });

  test("takes no event of a tenant that there is not, nor of another tenant", async () => {
    const nobody = uuidv7();
    const emitting = (own: string, named: string) =>
      identity.tenantTransaction(own, (tx) => emit(tx, named, { kind: "tenant.changed" }));
    await expect(emitting(nobody, nobody)).rejects.toMatchObject({ code: "NotFound" });
    await expect(emitting(tenant, await insertTenant(store.superuser, `t-${uuidv7()}`))).rejects.toMatchObject({
      code: "NotFound",
    });
  });
});
