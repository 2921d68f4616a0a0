import { randomBytes } from "node:crypto";
import pg from "pg";
import { type ProgramRole, sessionSetup } from "../database.ts";
import { loginUrl } from "./database-url.ts";
import type { TestDatabase } from "./test-database.ts";

export const PROGRAM_ROLES = [
  "heauth_identity",
  "heauth_hub",
  "heauth_operator",
  "heauth_auditor",
  "heauth_recovery",
] as const satisfies readonly ProgramRole[];

/** How a statement ended: the error's code, or how many rows it read or wrote. */
export type Ended = { readonly denied: string } | { readonly rows: number };

/** A connection of a login that is a member of one role, set up as programs set theirs up; an auditor's as people use it. */
export interface RoleLogin {
  readonly login: string;
  /** Runs it, for a tenant where there is one, and takes it back. */
  attempt(sql: string, tenantId?: string): Promise<Ended>;
  /** The same, as the login itself: what whoever has its password may do without becoming the role. */
  attemptAsItself(sql: string): Promise<Ended>;
}

export interface RoleLogins {
  readonly of: Readonly<Record<ProgramRole, RoleLogin>>;
  end(): Promise<void>;
}

/** One login for each role, as docs say that they are to be made. */
export async function roleLogins({ url, superuser }: TestDatabase): Promise<RoleLogins> {
  const clients: pg.Client[] = [];
  const of = {} as Record<ProgramRole, RoleLogin>;
  for (const role of PROGRAM_ROLES) {
    const login = `${role.replace("heauth_", "")}_${randomBytes(4).toString("hex")}`;
    // Row level security knows an auditor by the login: he has his rights without becoming anything.
    const isPerson = role === "heauth_auditor";
    const inherit = isPerson ? "INHERIT" : "NOINHERIT";
    await superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD '${login}' ${inherit} IN ROLE ${role}`);
    const client = new pg.Client(loginUrl(url, login, login));
    clients.push(client);
    await client.connect();
    await client.query(sessionSetup(isPerson ? null : role));
    const attempt = async (sql: string, before: string): Promise<Ended> => {
      await client.query(`BEGIN; ${before}`);
      try {
        const result = await client.query(sql);
        return { rows: result.rowCount ?? 0 };
      } catch (error) {
        return { denied: (error as { code?: string }).code ?? String(error) };
      } finally {
        await client.query("ROLLBACK");
      }
    };
    of[role] = {
      login,
      attempt: (sql, tenantId) =>
        attempt(sql, tenantId === undefined ? "" : `SET LOCAL heauth.tenant = ${pg.escapeLiteral(tenantId)}`),
      attemptAsItself: (sql) => attempt(sql, "SET LOCAL ROLE NONE"),
    };
  }
  return {
    of,
    async end() {
      await Promise.all(clients.map((client) => client.end()));
      for (const { login } of Object.values(of)) await superuser.query(`DROP ROLE ${login}`);
    },
  };
}
