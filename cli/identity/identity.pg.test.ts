import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority } from "@heauth/e2e/kube";
import { pause } from "@heauth/program";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { type Answer, type Caller, caller } from "./testing/caller.ts";
import { type IdentityRig, identityRig } from "./testing/identity-process.ts";

const PASSWORD = "vier Kühe im Regen";
let rig: IdentityRig;
beforeAll(async () => {
  rig = await identityRig();
});
afterAll(() => rig?.end());

const callers: Caller[] = [];
afterEach(() => {
  for (const each of callers.splice(0)) each.end();
});
function callerOf(address: string, ca?: string): Caller {
  const one = caller(address, ca);
  callers.push(one);
  return one;
}

/** Registers a tenant with a user, and logs that one in. */
async function newUser({ ask }: Caller, name: string) {
  const tenant = await ask("/tenant", { email: `${name}@example.org`, password: PASSWORD, name });
  expect(tenant.status).toBe(201);
  const user = { login: "anna", email: "anna@example.org", password: PASSWORD };
  expect((await ask("/user", user, tenant.body.token)).status).toBe(201);
  return { tenant: name, login: "anna", password: PASSWORD };
}

/** The session of an access token. */
function sessionOf(accessToken: string): string {
  return JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString()).sid;
}

test("with a login that is a member of heauth_identity alone: log in, verify, log out", async () => {
  const identity = await rig.start({ drain: "0s" });
  await identity.untilReady();
  const { ask } = callerOf(identity.address);
  const login = await newUser({ ask, end: () => {} }, "one");
  const { status, body } = await ask("/auth", login);
  expect(status).toBe(200);
  const { accessToken: token } = body;
  expect((await ask("/auth/verify", { token })).body.decoded).toMatchObject({ iss: "https://id.test" });
  expect((await ask("/auth/logout", { token })).body).toEqual({ result: 1 });
  expect((await ask("/auth/verify", { token })).status).toBe(400);
  expect((await ask("/readyz")).body).toEqual({ ok: true, problems: {} });
  const metrics = await (await fetch(`${identity.probes}/metrics`)).text();
  expect(metrics).toMatch(/^heauth_database_pool_connections\{program="identity",state="idle"\} [1-9]/m);
  expect(await identity.stop()).toEqual([0, null]);
});

test("a stop under load: who still comes is answered, and asked to come back by another connection", async () => {
  const identity = await rig.start({ drain: "3s", "log-level": "warn" });
  await identity.untilReady();
  const login = await newUser(callerOf(identity.address), "load");
  // Somebody else's: one user's many logins end the oldest of his sessions.
  const verified = await newUser(callerOf(identity.address), "verified");
  const { accessToken: token } = (await callerOf(identity.address).ask("/auth", verified)).body;

  let isReady = true;
  // It is known to have got the signal: what was asked before may have been answered before it.
  let isStopping = false;
  const answers: (Answer & { readonly stopped: boolean })[] = [];
  const lost: unknown[] = [];
  // As in a cluster: whoever comes by the Service comes until the endpoint is taken out, which is some time after it was not ready.
  const load = Array.from({ length: 8 }, async (_, index) => {
    const { ask } = callerOf(identity.address);
    while (isReady) {
      const stopped = isStopping;
      const asked = index === 0 ? ask("/auth", login) : ask("/auth/verify", { token });
      await asked.then(
        (answer) => answers.push({ ...answer, stopped }),
        (error: unknown) => lost.push(error),
      );
    }
  });
  while (answers.length < 100) await pause(10);
  const stopping = identity.stop();
  while ((await fetch(`${identity.probes}/readyz`)).ok) await pause(10);
  isStopping = true;
  while (lost.length === 0 && answers.filter(({ stopped }) => stopped).length <= 50) await pause(10);
  isReady = false;
  await Promise.all(load);

  expect(await stopping).toEqual([0, null]);
  expect(lost).toEqual([]);
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  const last = answers.filter(({ stopped }) => stopped);
  expect(last.length).toBeGreaterThan(50);
  expect(last.every(({ connection }) => connection === "close")).toBe(true);

  const told = answers.flatMap(({ body: { accessToken } }) =>
    accessToken === undefined ? [] : [sessionOf(accessToken)],
  );
  expect(told.length).toBeGreaterThan(0);
  const inLedger = await rig.db.superuser.query<{ id: string }>("SELECT session_id AS id FROM segment_session");
  expect(inLedger.map(({ id }) => id)).toEqual(expect.arrayContaining(told));
  expect(await rig.db.superuser.query("SELECT FROM journal_head WHERE NOT final")).toEqual([]);
}, 60_000);

test("by TLS, with a certificate that is renewed while it runs; a broken one is not taken", async () => {
  const authority = await createAuthority();
  const [first, second] = [await authority.issue("first"), await authority.issue("second")];
  const files = { "tls-cert": join(rig.folder, "tls.crt"), "tls-key": join(rig.folder, "tls.key") };
  const write = async ({ certificate, key }: typeof first) => {
    await writeFile(files["tls-cert"], certificate);
    await writeFile(files["tls-key"], key);
  };
  await write(first);
  const identity = await rig.start({ ...files, drain: "0s" });
  await identity.untilReady();
  const standing = callerOf(identity.address, authority.certificate);
  const shown = async (by: Caller) => (await by.ask("/healthz")).certificate?.subject.CN;
  const shownAnew = () => shown(callerOf(identity.address, authority.certificate));
  expect(await shown(standing)).toBe("first");
  await expect(callerOf(identity.address).ask("/healthz")).rejects.toThrow();

  await writeFile(files["tls-cert"], "nonsense");
  while (!identity.log.join("").includes("the last good one stays")) await pause(100);
  expect(await shownAnew()).toBe("first");
  await write(second);
  while ((await shownAnew()) !== "second") await pause(100);
  expect(await shown(standing)).toBe("first");
  const metrics = await (await fetch(`${identity.probes}/metrics`)).text();
  expect(metrics).toMatch(/^heauth_certificate_expiry_seconds\{certificate="leaf"\} [78]\d{4}/m);
  expect(await identity.stop()).toEqual([0, null]);
}, 60_000);

test("waits for the database, is not ready meanwhile, and says what for; a stop ends the waiting", async () => {
  const identity = await rig.start({ database: "postgresql://nobody:s3cret@127.0.0.1:1/heauth" });
  while (!identity.log.join("").includes("waiting for the database")) await pause(50);
  const ready = await fetch(`${identity.probes}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.text()).toContain('"database"');
  expect((await fetch(`${identity.probes}/healthz`)).status).toBe(200);
  expect(await identity.stop()).toEqual([0, null]);
  expect(identity.log.join("")).not.toContain("s3cret");
});

test("a key that nobody has pinned ends the start: nobody would believe what it signs", async () => {
  const other = await identityRig();
  try {
    const identity = await rig.start({ "ledger-keys": join(other.folder, "ledger-keys.json") });
    await expect(identity.untilReady()).rejects.toThrow(/ledger-keys\.json does not have the key of .*identity\.json/);
  } finally {
    await other.end();
  }
}, 60_000);
