// `helm test`: a user logs in and makes an allowed request and a denied one. Ends with 1 when something is not as it should be.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

const { TENANT: tenant, IDENTITY: identity, APP: app } = process.env;
const login = `${randomUUID()}@heauth.test`;
const password = randomUUID();

/** The operator, the webhook and the app's pod each need a moment. */
async function until(what, attempt) {
  for (const end = Date.now() + 180_000; ; await pause(1_000)) {
    const problem = await attempt().catch((error) => error.cause ?? error);
    if (problem === undefined) return console.log(`ok: ${what}`);
    if (Date.now() > end) throw new Error(`${what}: ${problem}`);
  }
}

async function createUser() {
  const keys = ["--password-stdin", "--program-key", "/etc/heauth/keys/cli.json"];
  const child = spawn("heauth", ["superuser", "create", "--tenant", tenant, "--email", login, ...keys]);
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
  });
  child.stdin.end(`${password}\n`);
  const [code] = await once(child, "close");
  return code === 0 ? undefined : said.trim();
}

async function ask(method, status, token) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(app, { method, headers, signal: AbortSignal.timeout(10_000) });
  return answer.status === status ? undefined : `${answer.status} instead of ${status}: ${await answer.text()}`;
}

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${identity}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`POST ${path} answered ${answer.status}: ${await answer.text()}`);
  return await answer.json();
}

await until("the tenant has a user", createUser);
const { accessToken: token } = await post("/auth", { tenant, login, password });
await until("a request without a session is denied", () => ask("GET", 401));
await until("a request of the user's is allowed", () => ask("GET", 200, token));
await until("a request that no rule allows is denied", () => ask("DELETE", 403, token));
await post("/auth/logout", { token });
await until("a request after the log-out is denied", () => ask("GET", 401, token));
