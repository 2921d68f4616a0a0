import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { uuidv7 } from "@heauth/program";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { type Database, openDatabase } from "./database.ts";
import { primaryId } from "./primary.ts";
import { insertTenant, type TestDatabase, testDatabase } from "./testing/index.ts";

let store: TestDatabase;
let identity: Database;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
});
afterAll(() => store.drop());
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const UNAVAILABLE = { code: "StoreUnavailable" };
/** Patient: how busy the machine is proves nothing. Short times only where they are to run out. */
const options = {
  role: "heauth_identity",
  applicationName: "test",
  connectTimeout: 20_000,
  statementTimeout: 10_000,
} as const;

/** The database behind a wire that can be cut or held up. */
async function wire(): Promise<{ url: string; hold: () => void; cut: () => void; mend: () => void }> {
  const url = new URL(store.url.replace("@/", "@localhost/"));
  const path = `${url.searchParams.get("host")}/.s.PGSQL.5432`;
  const sockets = new Set<Socket>();
  let held = false;
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = dial(path);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        (socket === client ? upstream : client).destroy();
      });
    }
    if (held) return;
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as { port: number };
  return {
    url: `postgresql://heauth:${url.password}@127.0.0.1:${port}${url.pathname}`,
    hold() {
      held = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      for (const socket of sockets) socket.destroy();
      held = false;
      isCut = false;
    },
  };
}

async function opened(settings: Parameters<typeof openDatabase>[0]): Promise<Database> {
  const database = await openDatabase(settings);
  ends.push(() => database.stop());
  return database;
}

/** Connections that broke while nobody used them are found out one by one. */
async function worksAgain(database: Database): Promise<void> {
  const ask = () => database.transaction((tx) => tx.query("SELECT 1 AS one"));
  const answers = [await ask().catch(ask), await ask()];
  expect(answers).toEqual([[{ one: 1 }], [{ one: 1 }]]);
}

describe("a database", () => {
  test("works as the program's role, whatever the connection string says", async () => {
    const url = `${store.url}&options=${encodeURIComponent("-c role=heauth_hub -c search_path=public")}`;
    const database = await opened({ ...options, url });
    const who =
      "SELECT current_user::text AS role, current_schema::text AS schema, current_setting('application_name') AS name";
    const expected = [{ role: "heauth_identity", schema: "heauth", name: "test" }];
    expect(await Promise.all([1, 2, 3].map(() => database.transaction((tx) => tx.query(who))))).toEqual([
      expected,
      expected,
      expected,
    ]);
  });

  test("gives integers and times exactly", async () => {
    const rows = await identity.transaction((tx) =>
      tx.query(`SELECT at(1795219283123456) AS at, at(-1) AS before, 'epoch'::timestamptz AS epoch,
                       9007199254740991::bigint AS large, '\\x00ff'::bytea AS bytes, '{"a":1}'::jsonb AS json, null::bigint AS none`),
    );
    expect(rows).toEqual([
      {
        at: 1795219283123456,
        before: -1,
        epoch: 0,
        large: Number.MAX_SAFE_INTEGER,
        bytes: Buffer.from([0, 255]),
        json: { a: 1 },
        none: null,
      },
    ]);
    await expect(identity.transaction((tx) => tx.query("SELECT 9007199254740992::bigint"))).rejects.toThrow(
      "beyond 2^53",
    );
    const micros = 1795219283123457;
    expect(await identity.transaction((tx) => tx.query("SELECT at($1) AS at", [micros]))).toEqual([{ at: micros }]);
  });

  test("undoes everything when the work fails, and when it hides that a statement did", async () => {
    const tenant = await insertTenant(store.superuser, `t-${uuidv7()}`);
    const count = () => identity.tenantTransaction(tenant, (tx) => tx.query("SELECT count(*) FROM role"));
    const insert = "INSERT INTO role (tenant_id, name) VALUES ($1, $2)";
    const failure = new Error("work");
    await expect(
      identity.tenantTransaction(tenant, async (tx) => {
        await tx.query(insert, [tenant, "a"]);
        throw failure;
      }),
    ).rejects.toBe(failure);
    await expect(
      identity.tenantTransaction(tenant, async (tx) => {
        await tx.query(insert, [tenant, "a"]);
        await tx.query("SELECT 1 / 0").catch(() => {});
      }),
    ).rejects.toThrow("rolled back");
    expect(await count()).toEqual([{ count: 0 }]);
  });

  test("forgets the tenant with the transaction", async () => {
    const tenant = await insertTenant(store.superuser, `t-${uuidv7()}`);
    const current = "SELECT current_tenant() AS tenant";
    expect(await identity.tenantTransaction(tenant, (tx) => tx.query(current))).toEqual([{ tenant }]);
    const after = await Promise.all(Array.from({ length: 12 }, () => identity.transaction((tx) => tx.query(current))));
    expect(after.flat()).toEqual(after.map(() => ({ tenant: null })));
  });

  test("reads on one snapshot, and only reads", async () => {
    const name = `t-${uuidv7()}`;
    await identity.read(async (tx) => {
      const count = () => tx.query("SELECT count(*) FROM tenant");
      const before = await count();
      await insertTenant(store.superuser, name);
      expect(await count()).toEqual(before);
    });
    await expect(identity.read((tx) => tx.query("DELETE FROM role"))).rejects.toMatchObject({
      cause: { code: "25006" },
    });
  });

  test("names the history that it writes", async () => {
    const id = await identity.read(primaryId);
    expect(id).toMatch(/^\d+\/[0-9A-F]{8}$/);
    expect(await identity.read(primaryId)).toBe(id);
  });
});

describe("a database that is away", () => {
  test("is an error of its own at the start", async () => {
    await expect(openDatabase({ ...options, url: "postgresql://x@127.0.0.1:1/x" })).rejects.toMatchObject(UNAVAILABLE);
    await expect(openDatabase({ ...options, url: "postgresql://x@/x?host=/nowhere" })).rejects.toMatchObject(
      UNAVAILABLE,
    );
    const held = await wire();
    held.hold();
    await expect(openDatabase({ ...options, url: held.url, connectTimeout: 300 })).rejects.toMatchObject(UNAVAILABLE);
    await expect(openDatabase({ ...options, url: "mysql://x" })).rejects.toMatchObject({ code: "BadDatabaseUrl" });
  });

  test("but a missing database is not: waiting would not help", async () => {
    const wrong = store.url.replace(/\/test_[^?]*/, "/missing");
    await expect(openDatabase({ ...options, url: wrong })).rejects.toMatchObject({ code: "3D000" });
  });

  test("that is cut off in the middle says so, and works again once it is back", async () => {
    const line = await wire();
    const database = await opened({ ...options, url: line.url });
    await expect(
      database.transaction(async (tx) => {
        line.cut();
        return tx.query("SELECT 1");
      }),
    ).rejects.toMatchObject(UNAVAILABLE);
    await expect(database.transaction((tx) => tx.query("SELECT 1"))).rejects.toMatchObject(UNAVAILABLE);
    line.mend();
    await worksAgain(database);
  });

  test("that hangs is given up in time, and its connection with it", async () => {
    const line = await wire();
    const database = await opened({ ...options, url: line.url, statementTimeout: 1_000 });
    const before = performance.now();
    await expect(
      database.transaction(async (tx) => {
        line.hold();
        return tx.query("SELECT 1");
      }),
    ).rejects.toMatchObject(UNAVAILABLE);
    // After 3 s; by the default it would be 12.
    expect(performance.now() - before).toBeLessThan(10_000);
    line.mend();
    await worksAgain(database);
  });

  test("that hangs does not hold up the end", async () => {
    const line = await wire();
    const database = await openDatabase({ ...options, url: line.url });
    line.hold();
    await expect(database.stop()).resolves.toBeUndefined();
  });

  test("is one whose statement takes too long, which ends it, or whose session is ended", async () => {
    const database = await opened({ ...options, url: store.url, statementTimeout: 1_000 });
    await expect(database.transaction((tx) => tx.query("SELECT pg_sleep(5)"))).rejects.toMatchObject(UNAVAILABLE);
    await expect(
      database.transaction(async (tx) => {
        const [me] = await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
        await store.superuser.query("SELECT pg_terminate_backend($1)", [me?.pid]);
        await tx.query("SELECT 1");
      }),
    ).rejects.toMatchObject(UNAVAILABLE);
    expect(await database.transaction((tx) => tx.query("SELECT 1 AS one"))).toEqual([{ one: 1 }]);
  });
});
