import { randomBytes } from "node:crypto";
import { createForge, type Forge, privateKeyOf } from "../standalone/forge.ts";
import type { Account, Login } from "../standalone/people.ts";
import type { Rig } from "../standalone/rig.ts";
import type { Rows } from "../standalone/rows.ts";

/** Everybody whose tokens the tables play with. */
export interface Scene {
  /** Joy's session, with the clinic's audience and a role that may not write. */
  readonly joy: Forge;
  /** Another session of hers. */
  readonly joyAgain: Forge;
  /** Sessions of hers that are over, each in its own way. */
  readonly loggedOut: Login;
  readonly reused: Login;
  readonly idle: Login;
  /** Of a user who was deleted. */
  readonly deleted: Login;
  readonly forLab: Login;
  readonly forIdentity: Login;
  /** A session of another tenant's, with the same audience. */
  readonly rival: Forge;
  /** A tenant's own token, of one that manages itself. */
  readonly tenantToken: string;
  /** A key that nobody vouches for. */
  readonly strange: ReturnType<typeof privateKeyOf>;
}

/** Two tenants with the same app in front of them; `clinic/web` is the one that is asked. */
export const sceneOptions = {
  tenants: { acme: {}, rival: {} },
  policies: { "clinic/web": {}, "rival/web": { tenant: "rival" } },
};

export async function createScene(rig: Rig, rows: Rows): Promise<Scene> {
  const { people, data } = rig;
  const joy = await people.create({ login: "joy", roles: ["nurse"] });
  const rival = await people.create({ login: "joy", roles: ["doctor"], tenant: "rival" });
  const forge = async (account: Account) => createForge(rows, data, await people.logIn(account, ["clinic"]));
  const log = (audience = "clinic") => people.logIn(joy, [audience]);
  return {
    joy: await forge(joy),
    joyAgain: await forge(joy),
    loggedOut: await loggedOut(rig, await log()),
    reused: await reused(rig, await log()),
    idle: await idle(rows, await log()),
    deleted: await deleted(rig),
    forLab: await log("lab"),
    forIdentity: await log("heauth"),
    rival: await forge(rival),
    tenantToken: await registeredTenant(rig),
    strange: privateKeyOf(randomBytes(32)),
  };
}

async function post(rig: Rig, path: string, json: unknown): Promise<Record<string, string>> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(rig.identity() + path, { method: "POST", headers, body: JSON.stringify(json) });
  return (await response.json()) as Record<string, string>;
}

async function loggedOut(rig: Rig, login: Login): Promise<Login> {
  await post(rig, "/auth/logout", { token: login.accessToken });
  return login;
}

/** Its first refresh token is used for a third time: somebody has stolen it. */
async function reused(rig: Rig, login: Login): Promise<Login> {
  const { refreshToken } = await post(rig, "/auth/refresh", { refreshToken: login.refreshToken });
  await post(rig, "/auth/refresh", { refreshToken });
  await post(rig, "/auth/refresh", { refreshToken: login.refreshToken });
  return login;
}

/** Not seen for longer than the tenant lets sessions idle. */
async function idle(rows: Rows, login: Login): Promise<Login> {
  const sql = "UPDATE session SET last_seen_at = now() - interval '45 minutes' WHERE (tenant_id, id) = ($1, $2)";
  await rows.query(sql, [login.tenantId, login.session]);
  return login;
}

async function deleted(rig: Rig): Promise<Login> {
  const { people } = rig;
  const login = await people.logIn(await people.create({ login: "leaver", roles: ["doctor"] }), ["clinic"]);
  const authorization = `Bearer ${await people.admin()}`;
  const answer = await fetch(`${rig.identity()}/user/leaver`, { method: "DELETE", headers: { authorization } });
  if (answer.status !== 200) throw new Error(`deleting answered ${answer.status}`);
  return login;
}

async function registeredTenant(rig: Rig): Promise<string> {
  const password = randomBytes(18).toString("base64url");
  const { token = "" } = await post(rig, "/tenant", { email: "own@startup.example", password });
  return token;
}
