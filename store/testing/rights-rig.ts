import type { Database, ProgramRole } from "../database.ts";
import { insertSegments } from "../ledger/ingest.ts";
import { LedgerWriter } from "../ledger/writer.ts";
import { decision, insertTenant, TestJournal, testKeys } from "./ledger.ts";
import { PROGRAM_ROLES } from "./role-logins.ts";
import { logIn, makeUser, newSession } from "./sessions.ts";
import { type TestDatabase, testDatabase } from "./test-database.ts";

/** insufficient_privilege: no grant, or row level security. */
export const DENIED = "42501";
/** The programs that run all the time. */
export const PROGRAMS = ["heauth_identity", "heauth_hub", "heauth_operator"] as const;

/** Two tenants of resources with a user, a session and a ledger each, and every role's way to them. */
export interface RightsRig {
  readonly store: TestDatabase;
  readonly acme: string;
  readonly other: string;
  /** Of the other tenant. */
  readonly session: string;
  /** What a statement of a program answers: rows, or the error's code. Always rolled back. */
  attempt(role: ProgramRole, sql: string, tenant?: string): Promise<unknown>;
  drop(): Promise<void>;
}

export async function rightsRig(): Promise<RightsRig> {
  const store = await testDatabase();
  const as = {} as Record<ProgramRole, Database>;
  for (const role of PROGRAM_ROLES) as[role] = await store.database(role);
  const keys = testKeys();
  const recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const [acme, other] = [await insertTenant(store.superuser, "acme"), await insertTenant(store.superuser, "other")];
  let session = "";
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
  return { store, acme, other, session, attempt, drop: () => store.drop() };
}
