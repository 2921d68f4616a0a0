import { parseSegmentHeader, sha256 } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { insertSession, insertTenant, openingOf, type TestDatabase, testDatabase, testKeys } from "../testing/index.ts";
import { LedgerWriter } from "./writer.ts";

const keys = testKeys();
let store: TestDatabase;
let identity: Database;

beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
});
afterAll(() => store.drop());

const newWriter = () => new LedgerWriter({ program: "identity", programKey: keys.identity });
const newTenant = () => insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
const created = { type: "identity.user-created", private: { login: "ada" } } as const;

/** Every journal's headers, checked to be dense and linked; gives how many records each has. */
async function journals(tenant: string): Promise<number[]> {
  const rows = await store.superuser.query<{ journal_id: string; number: number; header: Buffer }>(
    "SELECT journal_id, number, header FROM segment WHERE tenant_id = $1 ORDER BY journal_id, number",
    [tenant],
  );
  const ends = new Map<string, { number: number; seq: number; previous: string | undefined }>();
  for (const { journal_id, number, header } of rows) {
    const end = ends.get(journal_id) ?? { number: 0, seq: 0, previous: undefined };
    const parsed = parseSegmentHeader(header);
    expect({ number, seq: parsed.first, previous: parsed.previous }).toEqual(end);
    ends.set(journal_id, {
      number: number + 1,
      seq: parsed.first + parsed.count,
      previous: sha256(header).toString("base64url"),
    });
  }
  return [...ends.values()].map(({ seq }) => seq);
}

describe("a program's own records", () => {
  test("begin with the journal's registration and journal.open, and give their ids", async () => {
    const tenant = await newTenant();
    const writer = newWriter();
    const [first] = await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created]));
    const [second, third] = await identity.tenantTransaction(tenant, (tx) =>
      writer.append(tx, tenant, [created, created]),
    );
    const journal = first?.split("/")[0];
    expect([first, second, third]).toEqual([`${journal}/1`, `${journal}/2`, `${journal}/3`]);
    expect(await journals(tenant)).toEqual([4]);
    const [row] = await store.superuser.query("SELECT program, pod FROM journal WHERE id = $1", [journal]);
    expect(row).toEqual({ program: "identity", pod: null });
  });

  test("are gone with a transaction that is rolled back, and the next one goes on as if nothing had been", async () => {
    const tenant = await newTenant();
    const writer = newWriter();
    const abort = () =>
      identity.tenantTransaction(tenant, async (tx) => {
        await writer.append(tx, tenant, [created]);
        throw new Error("changed my mind");
      });
    await expect(abort()).rejects.toThrow("changed my mind");
    expect(await store.superuser.query("SELECT FROM journal WHERE tenant_id = $1", [tenant])).toEqual([]);
    expect(await store.superuser.query("SELECT FROM seal_queue WHERE tenant_id = $1", [tenant])).toEqual([]);
    await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created]));
    await expect(abort()).rejects.toThrow("changed my mind");
    await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created]));
    expect(await journals(tenant)).toEqual([3]);
  });

  test("of many at once, two runs and two tenants, are dense in each journal", async () => {
    const tenants = [await newTenant(), await newTenant()];
    const writers = [newWriter(), newWriter()];
    const all: Promise<string[]>[] = [];
    for (let i = 0; i < 5; i++) {
      for (const tenant of tenants) {
        for (const writer of writers) {
          all.push(identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created, created])));
        }
      }
    }
    const ids = (await Promise.all(all)).flat();
    expect(new Set(ids).size).toBe(40);
    for (const tenant of tenants) expect(await journals(tenant)).toEqual([11, 11]);
  });

  test("link each session's to the one before, over transactions", async () => {
    const tenant = await newTenant();
    const writer = newWriter();
    const session = await insertSession(store.superuser, keys, tenant);
    await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [openingOf(session)]));
    await identity.tenantTransaction(tenant, (tx) =>
      writer.append(tx, tenant, [
        { type: "identity.token-refreshed", session: session.id },
        { type: "session.close", session: session.id, reason: "Logout" },
      ]),
    );
    const [block] = await store.superuser.query<{ closing_at: number | null }>(
      "SELECT closing_at FROM active_block WHERE session_id = $1",
      [session.id],
    );
    expect(block?.closing_at).toBeGreaterThan(0);
  });

  test("more than a segment holds make several", async () => {
    const tenant = await newTenant();
    const writer = newWriter();
    const ids = await identity.tenantTransaction(tenant, (tx) =>
      writer.append(tx, tenant, Array<typeof created>(5000).fill(created)),
    );
    expect(ids.at(-1)).toMatch(/\/5000$/);
    expect(await journals(tenant)).toEqual([5001]);
  });

  test("of another tenant than the transaction's are refused by the database", async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    const writer = newWriter();
    await expect(identity.tenantTransaction(tenant, (tx) => writer.append(tx, other, [created]))).rejects.toThrow(
      /row-level security/,
    );
  });

  test("end with journal.close, after which nothing can be written", async () => {
    const tenant = await newTenant();
    const writer = newWriter();
    await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created]));
    await writer.close(identity);
    const rows = await store.superuser.query("SELECT final, next_seq FROM journal_head WHERE tenant_id = $1", [tenant]);
    expect(rows).toEqual([{ final: true, next_seq: 3 }]);
    await expect(
      identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created])),
    ).rejects.toMatchObject({ code: "WriterClosed" });
    await writer.close(identity);
    expect(await journals(tenant)).toEqual([3]);
  });

  test("of tenants after one that fails are closed all the same, a few at a time, and the failures are told together", async () => {
    const tenants: string[] = [];
    const writer = newWriter();
    for (let n = 0; n < 12; n++) {
      const tenant = await newTenant();
      tenants.push(tenant);
      await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [created]));
    }
    const broken = [tenants[0], tenants[5]];
    let [now, most] = [0, 0];
    const database: Database = {
      ...identity,
      async tenantTransaction(tenant, work) {
        most = Math.max(most, ++now);
        try {
          if (broken.includes(tenant)) throw new Error(`not ${tenant}`);
          return await identity.tenantTransaction(tenant, work);
        } finally {
          now--;
        }
      },
    };
    const left = async () => {
      const rows = await store.superuser.query<{ tenant_id: string }>(
        "SELECT tenant_id FROM journal_head WHERE tenant_id = ANY ($1) AND NOT final ORDER BY tenant_id",
        [tenants],
      );
      return rows.map(({ tenant_id }) => tenant_id);
    };
    await expect(writer.close(database, AbortSignal.abort())).rejects.toMatchObject({
      message: "12 of 12 journals are not closed: 0 failed, 12 had no time",
    });
    expect([(await left()).length, most]).toEqual([12, 0]);
    await expect(writer.close(database)).rejects.toMatchObject({
      code: "JournalsUnfinished",
      message: "2 of 12 journals are not closed: 2 failed, 0 had no time",
      cause: { errors: broken.map((tenant) => expect.objectContaining({ message: `not ${tenant}` })) },
    });
    expect([await left(), most]).toEqual([broken, 4]);
  });
});
