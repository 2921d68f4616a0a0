import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { Database, ProgramRole } from "./database.ts";
import { insertSegments, LedgerWriter } from "./ledger/index.ts";
import {
  decision,
  insertTenant,
  logIn,
  makeUser,
  newSession,
  type TestDatabase,
  TestJournal,
  testDatabase,
  testKeys,
} from "./testing/index.ts";

const DENIED = "42501"; // insufficient_privilege: no grant, or row level security
const PROGRAMS = ["heauth_identity", "heauth_hub", "heauth_operator"] as const;

let store: TestDatabase;
const as = {} as Record<ProgramRole, Database>;
let acme: string;
let other: string;
let session: string;
beforeAll(async () => {
  store = await testDatabase();
  for (const role of [...PROGRAMS, "heauth_auditor", "heauth_recovery"] as const) as[role] = await store.database(role);
  const keys = testKeys();
  const recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  acme = await insertTenant(store.superuser, "acme");
  other = await insertTenant(store.superuser, "other");
  for (const tenant of [acme, other]) {
    const user = await makeUser(as.heauth_identity, tenant, "jo", { roles: ["nurse"] });
    session = await logIn(as.heauth_identity, recorder, newSession(keys, tenant, user, { login: "jo" }));
    const journal = new TestJournal(tenant, keys.hub);
    await as.heauth_hub.transaction(async (tx) => {
      await journal.register(tx, keys.hub);
      const path = "/patients/\u0000\\u0000/ü";
      const segment = journal.seal(decision(session, { private: { method: "GET", path, peer: "192.0.2.7" } }));
      await insertSegments(tx, tenant, journal.id, [segment]);
    });
  }
});
afterAll(() => store.drop());

/** What a statement of a program answers: rows, or the error's code. Always rolled back. */
async function attempt(role: ProgramRole, sql: string, tenant = acme): Promise<unknown> {
  const rolledBack = new Error("rolled back");
  let rows: unknown;
  try {
    await as[role].tenantTransaction(tenant, async (tx) => {
      rows = await tx.query(sql);
      throw rolledBack;
    });
  } catch (error) {
    if (error !== rolledBack) return (error as { code?: string }).code;
  }
  return rows;
}

describe("every table", () => {
  test("has row level security that binds its owner too", async () => {
    const open = await store.superuser.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'heauth'::regnamespace AND relkind = 'r'
          AND NOT (relrowsecurity AND relforcerowsecurity)`,
    );
    expect(open).toEqual([]);
  });

  test("has a primary key that leads with the tenant; only an auditor is found by his login", async () => {
    const keys = await store.superuser.query<{ name: string }>(
      `SELECT i.indexrelid::regclass::text AS name FROM pg_index i
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'heauth'::regnamespace AND i.indisprimary AND i.indkey[0] <> a.attnum`,
    );
    expect(keys.map(({ name }) => name)).toEqual(["auditor_pkey"]);
  });
});

describe("what the ledger is made of", () => {
  test("only the operator seals", async () => {
    for (const role of ["heauth_identity", "heauth_hub"] as const) {
      for (const table of ["closed_block", "log_entry", "checkpoint", "key_change", "log_head", "recovery"]) {
        expect(await attempt(role, `INSERT INTO ${table} (tenant_id) VALUES ('${acme}')`)).toBe(DENIED);
      }
    }
    expect(await attempt("heauth_operator", `INSERT INTO recovery (tenant_id) VALUES ('${acme}')`)).toBe(DENIED);
  });
});

describe("private parts", () => {
  const NAMES = "ARRAY(SELECT journal_id FROM segment), ARRAY(SELECT number FROM segment)";
  const CALLS = [
    `SELECT heauth.drop_private_parts('${uuidv7()}', '{}', '{}')`,
    `SELECT heauth.drop_private_parts_of('${uuidv7()}', '{}')`,
    `SELECT heauth.forget_devices('${uuidv7()}', 10)`,
  ];

  test("nobody can change them, the operator neither", async () => {
    for (const role of [...PROGRAMS, "heauth_auditor", "heauth_recovery"] as const) {
      expect(await attempt(role, "UPDATE segment_session SET privates = NULL")).toBe(DENIED);
      expect(await attempt(role, "UPDATE segment_session SET privates = 'x'")).toBe(DENIED);
    }
  });

  test("only the operator can have them erased, by functions that erase nothing else", async () => {
    for (const role of ["heauth_identity", "heauth_hub", "heauth_auditor", "heauth_recovery"] as const) {
      for (const call of CALLS) expect(await attempt(role, call)).toBe(DENIED);
    }
    for (const call of CALLS) expect(await attempt("heauth_operator", call)).toHaveLength(1);
  });

  test("and of a tenant only those that are sealed, and as old as it says", async () => {
    const rows = async (setting: string, age: string, sealed: boolean) => {
      await store.superuser.query(`UPDATE tenant SET settings = settings || '${setting}' WHERE id = $1`, [acme]);
      await store.superuser.query(`UPDATE segment SET created_at = now() - $2::interval WHERE tenant_id = $1`, [
        acme,
        age,
      ]);
      await store.superuser.query("DELETE FROM log_entry WHERE tenant_id = $1", [acme]);
      if (sealed) {
        await store.superuser.query(
          `INSERT INTO log_entry (tenant_id, epoch, index, kind, journal_id, number, leaf)
           SELECT tenant_id, 0, row_number() OVER () - 1, 'segment', journal_id, number, sha256('') FROM segment
            WHERE tenant_id = $1`,
          [acme],
        );
      }
      const call = `SELECT heauth.drop_private_parts('${acme}', ${NAMES}) AS rows`;
      return ((await attempt("heauth_operator", call)) as [{ rows: number }])[0].rows;
    };
    const belongTo = (session: string) =>
      store.superuser.query(
        `UPDATE segment_session SET session_id = ${session} WHERE tenant_id = $1 AND privates IS NOT NULL`,
        [acme],
      );
    const days = '{"audit": {"retentionDays": 30}}';
    await belongTo("gen_random_uuid()");
    expect(await rows("{}", "100 days", true)).toBe(0);
    expect(await rows(days, "29 days", true)).toBe(0);
    expect(await rows(days, "31 days", false)).toBe(0);
    expect(await rows(days, "31 days", true)).toBeGreaterThan(0);
    // Of a session that is open, none.
    await belongTo("(SELECT session_id FROM active_block WHERE tenant_id = $1)");
    expect(await rows(days, "31 days", true)).toBe(0);
    await store.superuser.query("DELETE FROM log_entry WHERE tenant_id = $1", [acme]);
  });
});

describe("who recovers logs", () => {
  test("reads how they stand, and asks", async () => {
    for (const table of ["log_head", "log_entry", "checkpoint", "recovery"]) {
      expect(await attempt("heauth_recovery", `SELECT tenant_id FROM ${table} LIMIT 0`)).toEqual([]);
    }
    expect(await attempt("heauth_recovery", "SELECT id, name FROM tenant ORDER BY name")).toHaveLength(2);
    const asked = `INSERT INTO recovery (tenant_id, number, body, signature) VALUES ('${acme}', 0, '', '') RETURNING number`;
    expect(await attempt("heauth_recovery", asked)).toEqual([{ number: 0 }]);
  });

  test.each([
    "UPDATE log_head SET epoch = 7",
    "INSERT INTO log_entry (tenant_id) VALUES (gen_random_uuid())",
    "INSERT INTO checkpoint (tenant_id) VALUES (gen_random_uuid())",
    "SELECT settings FROM tenant",
    "SELECT FROM segment",
    "SELECT FROM segment_session",
    "SELECT FROM session",
    "SELECT FROM tenant_user",
    "SELECT FROM alert",
  ])("may not: %s", async (sql) => {
    expect(await attempt("heauth_recovery", sql)).toBe(DENIED);
  });
});

describe("secrets", () => {
  test.each([
    ["heauth_hub", "SELECT key FROM session_key"],
    ["heauth_operator", "SELECT key FROM session_key"],
    ["heauth_auditor", "SELECT key FROM session_key"],
    ["heauth_hub", "DELETE FROM session_key"],
    ["heauth_hub", "SELECT password_hash FROM tenant_user"],
    ["heauth_operator", "SELECT password_hash FROM tenant_user"],
    ["heauth_auditor", "SELECT password_hash FROM tenant_user"],
    ["heauth_hub", "SELECT password_hash FROM tenant"],
    ["heauth_operator", "SELECT password_hash FROM tenant"],
    ["heauth_hub", "SELECT email FROM tenant"],
    ["heauth_hub", "SELECT peer FROM session"],
    ["heauth_auditor", "SELECT key FROM tag_key"],
    ["heauth_operator", "SELECT failures FROM login_failure"],
    ["heauth_hub", "SELECT FROM login_failure"],
  ] as const)("%s may not: %s", async (role, sql) => {
    expect(await attempt(role, sql)).toBe(DENIED);
  });

  test("identity reads those of its tenant; the operator can delete a key that it cannot read", async () => {
    expect(await attempt("heauth_identity", "SELECT length(key) FROM session_key")).toEqual([{ length: 32 }]);
    expect(
      await attempt("heauth_operator", `DELETE FROM session_key WHERE session_id = '${session}' RETURNING session_id`),
    ).toEqual([{ session_id: session }]);
  });
});

describe("each program does only its own work", () => {
  test.each([
    ["heauth_hub", "UPDATE session SET closed_at = NULL"],
    ["heauth_hub", "UPDATE session SET statement = ''"],
    ["heauth_hub", `INSERT INTO outbox (tenant_id, seq, kind) VALUES ('${uuidv7()}', 1, 'tenant.changed')`],
    ["heauth_hub", "UPDATE outbox_head SET seq = 0"],
    ["heauth_hub", "UPDATE policy SET compiled = ''"],
    ["heauth_hub", "INSERT INTO user_role VALUES (gen_random_uuid(), gen_random_uuid(), 'admin')"],
    ["heauth_hub", "UPDATE tenant_user SET login = 'x'"],
    ["heauth_operator", "UPDATE session SET statement = ''"],
    ["heauth_operator", "UPDATE session SET user_id = id"],
    ["heauth_operator", "INSERT INTO user_role VALUES (gen_random_uuid(), gen_random_uuid(), 'admin')"],
    ["heauth_operator", "UPDATE tenant_user SET login = 'x'"],
    ["heauth_operator", "UPDATE tenant SET password_hash = 'x'"],
    ["heauth_identity", "INSERT INTO policy VALUES (gen_random_uuid(), 'a', 'b', 'c', '')"],
    ["heauth_identity", "DELETE FROM session"],
    ["heauth_identity", "DELETE FROM outbox"],
    ["heauth_operator", "DELETE FROM outbox"],
    ["heauth_identity", "UPDATE tenant SET reclaim_policy = 'Delete'"],
    ["heauth_identity", "UPDATE tenant SET managed_by = 'API'"],
    ["heauth_identity", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_identity", "UPDATE term SET term = 0"],
    ["heauth_hub", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_hub", "SELECT FROM term"],
    ["heauth_operator", "DELETE FROM term"],
    ["heauth_operator", "DELETE FROM tenant"],
    ["heauth_auditor", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_auditor", "UPDATE closed_block SET actions = 0"],
    ["heauth_auditor", "DELETE FROM active_block"],
    ["heauth_auditor", "UPDATE auditor SET tenant_id = gen_random_uuid()"],
  ] as const)("%s may not: %s", async (role, sql) => {
    expect(await attempt(role, sql)).toBe(DENIED);
  });

  test("identity cannot write into another tenant", async () => {
    const role = `INSERT INTO role (tenant_id, name) VALUES ('${other}', 'x')`;
    expect(await attempt("heauth_identity", role)).toBe(DENIED);
    expect(await attempt("heauth_identity", `UPDATE tenant SET name = 'x' WHERE id = '${other}' RETURNING id`)).toEqual(
      [],
    );
    expect(await attempt("heauth_identity", `UPDATE role SET tenant_id = '${other}'`)).toBe(DENIED);
    expect(
      await attempt("heauth_identity", `DELETE FROM tenant_user WHERE tenant_id = '${other}' RETURNING id`),
    ).toEqual([]);
  });

  test("nobody else gets in at all", async () => {
    const [stranger] = await store.superuser.query<{ tables: number }>(
      `SELECT count(*) AS tables FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = 'heauth'::regnamespace AND a.grantee = 0`,
    );
    expect(stranger).toEqual({ tables: 0 });
    expect(
      await store.superuser.query(
        "SELECT FROM pg_roles WHERE rolname LIKE 'heauth\\_%' AND (rolsuper OR rolbypassrls OR rolcanlogin)",
      ),
    ).toEqual([]);
  });
});

describe("an auditor", () => {
  test("reads the ledger of his tenant in plain words, and no other's", async () => {
    const login = `auditor_${uuidv7().replaceAll("-", "")}`;
    await store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'secret' IN ROLE heauth_auditor`);
    await store.superuser.query("INSERT INTO auditor VALUES ($1, $2)", [login, other]);
    const client = new pg.Client(store.url.replace(/\/\/.*?@/, `//${login}:secret@`));
    await client.connect();
    const rows = async (sql: string) => (await client.query(sql)).rows;
    try {
      expect(
        await rows(`SELECT type, user_login, decision, action, method, path, peer, pod FROM heauth.audit_record
                     WHERE session_id <> '00000000-0000-0000-0000-000000000000' ORDER BY at`),
      ).toEqual([
        expect.objectContaining({ type: "session.open", user_login: "jo" }),
        {
          type: "decision",
          user_login: "jo",
          decision: "Allow",
          action: "patient.read",
          method: "GET",
          // NUL has no place in PostgreSQL's text; what only looks like its escape stays text.
          path: expect.stringMatching(/^\/patients\/\ufffd.*\/ü$/),
          peer: "192.0.2.7",
          pod: "shop/web-0",
        },
      ]);
      expect(await rows("SELECT DISTINCT tenant_id FROM heauth.audit_record")).toEqual([{ tenant_id: other }]);
      expect(await rows("SELECT user_login, last_action, actions FROM heauth.audit_active_block")).toEqual([
        { user_login: "jo", last_action: "patient.read", actions: "1" },
      ]);
      expect(await rows("SELECT * FROM heauth.audit_closed_block")).toEqual([]);
      expect(await rows("SELECT name FROM heauth.tenant")).toEqual([{ name: "other" }]);
      for (const table of ["segment", "active_block", "tenant_user", "session"]) {
        expect(await rows(`SELECT tenant_id FROM heauth.${table} WHERE tenant_id = '${acme}'`)).toEqual([]);
      }
      await expect(client.query("UPDATE heauth.auditor SET tenant_id = gen_random_uuid()")).rejects.toMatchObject({
        code: DENIED,
      });
    } finally {
      await client.end();
      await store.superuser.query("DELETE FROM auditor");
      await store.superuser.query(`DROP ROLE ${login}`);
    }
  });

  test("who is nobody's auditor reads nothing", async () => {
    expect(await attempt("heauth_auditor", "SELECT FROM audit_record")).toEqual([]);
    expect(await attempt("heauth_auditor", "SELECT name FROM tenant")).toEqual([]);
  });
});
