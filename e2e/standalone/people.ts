import { randomBytes } from "node:crypto";
import { runHeauth } from "../../examples/clinic/tour/standalone.ts";
import { type Account, type Login, loginOf } from "../login.ts";

export type { Account, Login };

/** Users and their logins, through identity's API as anybody would use it. */
export interface People {
  /** The tenant's superuser by the command line, at the first call, and his access token. */
  admin(tenant?: string): Promise<string>;
  /** Creates a user and answers what he logs in with. */
  create(user: { login: string; roles?: readonly string[]; tenant?: string }): Promise<Account>;
  logIn(account: Account, audience?: readonly string[]): Promise<Login>;
}

export function createPeople(identity: () => string, data: string): People {
  const admins = new Map<string, Promise<Account>>();

  async function post(path: string, json: unknown, expected: number, token?: string): Promise<Record<string, string>> {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${identity()}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization },
      body: JSON.stringify(json),
    });
    const body = await response.text();
    if (response.status !== expected) throw new Error(`POST ${path} answered ${response.status}: ${body}`);
    return JSON.parse(body);
  }

  async function logIn(account: Account, audience?: readonly string[]): Promise<Login> {
    return loginOf(await post("/auth", { ...account, ...(audience && { audience }) }, 200));
  }

  async function createAdmin(tenant: string): Promise<Account> {
    const account = { tenant, login: `chief@${tenant}.example`, password: randomBytes(18).toString("base64url") };
    const args = ["superuser", "create", "--tenant", tenant, "--email", account.login, "--password-stdin"];
    const { code, output } = await runHeauth([...args, "--data", data], `${account.password}\n`);
    if (code !== 0) throw new Error(`heauth superuser create ended with ${code}: ${output}`);
    return account;
  }

  async function admin(tenant = "acme"): Promise<string> {
    const known = admins.get(tenant) ?? createAdmin(tenant);
    admins.set(tenant, known);
    return (await logIn(await known)).accessToken;
  }

  return {
    admin,
    logIn,
    async create({ login, roles = [], tenant = "acme" }) {
      const account = { tenant, login, password: randomBytes(18).toString("base64url") };
      const user = { login, email: `${login}@${tenant}.example`, password: account.password, roles };
      await post("/user", user, 201, await admin(tenant));
      return account;
    },
  };
}
