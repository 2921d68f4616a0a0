import { randomBytes } from "node:crypto";
import { type Account, type Login, loginOf } from "../../login.ts";
import type { InstalledCluster } from "../install/installed.ts";
import { type Asker, askFrom, type Question } from "./ask.ts";
import { heauth } from "./cli.ts";

export type { Account, Login };

/** Users of one tenant, through identity's Service as anybody would use it. */
export interface People {
  /** Answers identity's answer, whatever it is. */
  post(path: string, question: Omit<Question, "url">): Promise<{ status: number; body: Record<string, string> }>;
  create(login: string, roles?: readonly string[]): Promise<Account>;
  /** Opens a session, which is a block. */
  logIn(account: Account): Promise<Login>;
  /** Closes it. */
  logOut(login: Login): Promise<void>;
}

/** The tenant's superuser is made by the command line, and makes the others; `from` is the pod that asks identity. */
export async function peopleOf(cluster: InstalledCluster, tenant: string, from: Asker): Promise<People> {
  const identity = `http://heauth-identity.${cluster.namespace}.svc`;
  const password = () => randomBytes(18).toString("base64url");
  const chief: Account = { tenant, login: `chief@${tenant}.example`, password: password() };
  const create = ["superuser", "create", "--tenant", tenant, "--email", chief.login, "--password-stdin"];
  await heauth(cluster, [...create, "--program-key=/etc/heauth/keys/cli.json"], `${chief.password}\n`);

  async function post(path: string, question: Omit<Question, "url">) {
    const { status, body } = await askFrom(cluster, from, { method: "POST", ...question, url: `${identity}${path}` });
    return { status, body: JSON.parse(body || "{}") };
  }

  async function expecting(expected: number, path: string, question: Omit<Question, "url">) {
    const { status, body } = await post(path, question);
    if (status !== expected) throw new Error(`POST ${path} answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  async function logIn(account: Account): Promise<Login> {
    return loginOf(await expecting(200, "/auth", { json: account }));
  }

  return {
    post,
    logIn,
    async create(login, roles = []) {
      const account = { tenant, login, password: password() };
      const json = { login, email: `${login}@${tenant}.example`, password: account.password, roles };
      await expecting(201, "/user", { json, token: (await logIn(chief)).accessToken });
      return account;
    },
    async logOut({ accessToken }) {
      await expecting(200, "/auth/logout", { token: accessToken });
    },
  };
}
