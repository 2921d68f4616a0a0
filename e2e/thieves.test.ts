/** Who has which secret, and what he can do with it: nothing, without the other half. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { deriveRefreshKey, deriveSessionKeyPair } from "@heauth/core/sessions";
import { mintRefreshToken } from "@heauth/core/tokens";
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { get, rawRequest } from "./envoy/raw-request.ts";
import { eventually } from "./faults/eventually.ts";
import { createForge, type Forge, privateKeyOf } from "./standalone/forge.ts";
import type { Account } from "./standalone/people.ts";
import { type Rig, startRig } from "./standalone/rig.ts";
import { openRows, type Rows } from "./standalone/rows.ts";
import { guessedSeeds } from "./thieves/guessed-seeds.ts";
import { announce, plantSession } from "./thieves/planted-session.ts";

/** Longer than the longest wait within a test. */
jest.setTimeout(120_000);

let rig: Rig;
let rows: Rows;
let doctor: Account;
let thief: Account;

beforeAll(async () => {
  rig = await startRig();
  rows = await openRows(await rig.databaseUrl());
  doctor = await rig.people.create({ login: "gregory", roles: ["doctor"] });
  thief = await rig.people.create({ login: "mallory", roles: ["nurse"] });
}, 60_000);
beforeEach(() => {
  rig.upstream.seen = [];
});
afterAll(async () => {
  await rows?.stop();
  await rig?.stop();
}, 40_000);

/** A fresh session, which no sidecar has seen yet. */
const session = async (account = doctor, audience?: string[]) =>
  createForge(rows, rig.data, await rig.people.logIn(account, audience ?? ["clinic", "heauth"]));
const read = (token: string) => get(rig.app(), "/patients/4711", `Authorization: Bearer ${token}`);
const write = (token: string) => {
  const headers = [`Host: ${new URL(rig.app()).host}`, `Authorization: Bearer ${token}`, "Content-Length: 0"];
  return rawRequest(rig.app(), ["PUT /patients/4711 HTTP/1.1", ...headers]);
};
/** Record id → the reason that it is to tell. */
const expected = new Map<string, string>();

async function ask(path: string, json: unknown): Promise<{ status: number; body: Record<string, string> }> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(rig.identity() + path, { method: "POST", headers, body: JSON.stringify(json) });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}
const refresh = (refreshToken: string) => ask("/auth/refresh", { refreshToken });

/** The app and identity's API, with one token: neither lets it in. */
async function expectRefused(token: string, reason: string): Promise<void> {
  const answer = await read(token);
  expect(answer.status).toBe(401);
  expected.set(answer.headers["x-heauth-record"] ?? "", reason);
  expect(await ask("/auth/verify", { token })).toMatchObject({ status: 400, body: { code: "TokenRefused" } });
  const listing = await fetch(`${rig.identity()}/user`, { headers: { authorization: `Bearer ${token}` } });
  expect(listing.status).toBe(401);
  expect(rig.upstream.seen).toEqual([]);
}

async function expectGood({ login }: Forge): Promise<void> {
  expect(await read(login.accessToken)).toMatchObject({ status: 200 });
  expect((await ask("/auth/verify", { token: login.accessToken })).status).toBe(200);
}

describe("a thief of the whole database", () => {
  test.each(guessedSeeds)("cannot mint a token: %s", async (_, seed) => {
    const stolen = await session();
    await expectRefused(stolen.token({ key: privateKeyOf(seed(stolen)) }), "BadSignature");
    await expectGood(stolen);
  });

  test("cannot mint a refresh token, and trying changes nothing", async () => {
    const { login, sessionKey, tagKey } = await session();
    const material = { sessionKey, tenant: login.tenantId, session: login.session };
    for (const serverSecret of [Buffer.alloc(32), sessionKey, tagKey.key]) {
      for (const number of [0, 1]) {
        const forged = mintRefreshToken(deriveRefreshKey({ ...material, serverSecret }), material, number);
        expect(await refresh(forged)).toMatchObject({ status: 401, body: { code: "RefreshRefused" } });
      }
    }
    expect((await refresh(login.refreshToken)).status).toBe(200);
  });

  test.each(["Own", "Copied"] as const)("cannot put in a session: statement %s", async (statement) => {
    const planted = await plantSession(rows, await session(), statement);
    await expectRefused(planted.token, "BadStatement");
  });
});

describe("a thief of the server secret, without the database", () => {
  test("cannot mint a token or a refresh token", async () => {
    const { serverSecret, login, token } = await session();
    const material = { serverSecret, tenant: login.tenantId, session: login.session };
    for (const sessionKey of [Buffer.alloc(32), randomBytes(32), serverSecret]) {
      const { privateKey } = deriveSessionKeyPair({ ...material, sessionKey });
      await expectRefused(token({ key: privateKey }), "BadSignature");
      const forged = mintRefreshToken(deriveRefreshKey({ ...material, sessionKey }), material, 0);
      expect((await refresh(forged)).status).toBe(401);
    }
    expect((await refresh(login.refreshToken)).status).toBe(200);
  });
});

describe("a sidecar", () => {
  test("has public keys, pinned keys and tag keys: they pass the tag, and no signature", async () => {
    const { publicKey, tagKey, login, token } = await session();
    for (const seed of [publicKey, Buffer.from(tagKey.key)]) {
      await expectRefused(token({ key: privateKeyOf(seed) }), "BadSignature");
    }
    expect((await read(login.accessToken)).status).toBe(200);
  });

  test("is told neither where the database is nor where the keys are", async () => {
    const { pid = 0 } = (await rig.sidecar()) ?? {};
    const [flags, variables] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, "utf8"),
      readFile(`/proc/${pid}/environ`, "utf8"),
    ]);
    expect(flags).toContain("sidecar");
    for (const secret of [await rig.databaseUrl(), join(rig.data, "keys"), "postgresql://"]) {
      expect(flags + variables).not.toContain(secret);
    }
    const pinned = await readFile(join(rig.data, "ledger-keys.json"), "utf8");
    expect(pinned).not.toMatch(/private|secret/i);
  });

  test("could not read a session's key through the hub either", async () => {
    for (const role of ["heauth_hub", "heauth_operator", "heauth_auditor"]) {
      await rows.query(`SET ROLE ${role}`);
      try {
        await expect(rows.query("SELECT key FROM session_key")).rejects.toMatchObject({ code: "42501" });
      } finally {
        await rows.query("RESET ROLE");
      }
    }
  });
});

describe("somebody who writes to the database", () => {
  const set = (sql: string, { login }: Forge, ...values: unknown[]) =>
    rows.query(`UPDATE session SET ${sql} WHERE (tenant_id, id) = ($1, $2)`, [
      login.tenantId,
      login.session,
      ...values,
    ]);

  test.each(["seen by no sidecar", "in the sidecar's cache"])("cannot replace a session's key: %s", async (which) => {
    const [victim, own] = [await session(), await session(thief)];
    if (which !== "seen by no sidecar") await expectGood(victim);
    await set(
      "(statement, statement_signature) = (SELECT statement, statement_signature FROM session WHERE id = $3)",
      victim,
      own.login.session,
    );
    await announce(rows, victim.login);
    const forged = victim.token({ key: own.privateKey });
    await eventually(
      async () => (await read(victim.login.accessToken)).status,
      (status) => status === 401,
    );
    rig.upstream.seen = [];
    await expectRefused(forged, "BadStatement");
    // Destroying is another matter: whoever can write can also end a session.
    await expectRefused(victim.login.accessToken, "BadStatement");
  });

  test.each(["seen by no sidecar", "in the sidecar's cache"])(
    "cannot give his session to another user: %s",
    async (which) => {
      const [victim, own] = [await session(), await session(thief)];
      if (which !== "seen by no sidecar") await expectGood(own);
      rig.upstream.seen = [];
      await set("user_id = $3", own, victim.login.user);
      await announce(rows, own.login);
      const { accessToken, refreshToken } = own.login;
      await eventually(
        async () => (await write(accessToken)).status,
        (status) => status === 401,
      );
      await expectRefused(accessToken, "BadStatement");
      expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: "RefreshRefused" } });
    },
  );

  test("cannot let a session outlive what was said when it was opened", async () => {
    const own = await session(thief);
    await set("expires_at = expires_at + interval '1 year'", own);
    expect((await refresh(own.login.refreshToken)).status).toBe(401);
    expect((await ask("/auth/verify", { token: own.login.accessToken })).status).toBe(400);
  });

  test("cannot make tags of his own count for more than tags", async () => {
    const victim = await session();
    const { tenantId } = victim.login;
    const key = randomBytes(32);
    await rows.query("INSERT INTO tag_key (tenant_id, id, key) VALUES ($1, 'tag-planted', $2)", [tenantId, key]);
    try {
      await expectRefused(victim.token({ key: privateKeyOf(key) }), "BadSignature");
    } finally {
      await rows.query("DELETE FROM tag_key WHERE id = 'tag-planted'");
    }
  });

  test("can change roles: that is the stated limit", async () => {
    const own = await session(thief);
    const { accessToken, tenantId, user } = own.login;
    expect((await write(accessToken)).status).toBe(403);
    await rows.query("INSERT INTO user_role VALUES ($1, $2, 'doctor')", [tenantId, user]);
    await announce(rows, own.login);
    expect(
      await eventually(
        async () => (await write(accessToken)).status,
        (status) => status === 200,
      ),
    ).toBe(200);
  });
});

describe("closing a session", () => {
  test("ends every token of it, also those that only a thief of everything could make", async () => {
    const stolen = await session();
    const { login } = stolen;
    await expectGood(stolen);
    const { body } = await refresh(login.refreshToken);
    const minted = stolen.token({ payload: { jti: "another" } });
    const tokens = [login.accessToken, body["accessToken"] ?? "", minted];
    for (const token of tokens) expect((await read(token)).status).toBe(200);

    expect((await ask("/auth/logout", { token: login.accessToken })).status).toBe(200);
    await eventually(
      async () => (await read(login.accessToken)).status,
      (status) => status === 401,
    );
    rig.upstream.seen = [];
    for (const token of [...tokens, stolen.token({ payload: { jti: "made after it" } })]) {
      await expectRefused(token, "SessionClosed");
    }
    for (const token of [login.refreshToken, body["refreshToken"] ?? ""])
      expect((await refresh(token)).status).toBe(401);
    expect(await rows.query("SELECT 1 FROM session_key WHERE session_id = $1", [login.session])).toEqual([]);
  });
});

describe("nobody outside", () => {
  test("can verify a token: the public key is nowhere in what the API, the app or the log get to see", async () => {
    const { login, publicKey, sessionKey, token } = await session(doctor, ["clinic", "heauth"]);
    const refreshed = await refresh(login.refreshToken);
    const denied = await read(token({ payload: { exp: 1 } }));
    await read(login.accessToken);
    const admin = { authorization: `Bearer ${await rig.people.admin()}` };
    const pages = ["/user", "/healthz", "/readyz", "/metrics", "/auth/openapi.json"];
    const texts = await Promise.all(
      pages.map(async (page) => (await fetch(rig.identity() + page, { headers: admin })).text()),
    );
    const verified = await ask("/auth/verify", { token: login.accessToken });
    const seen = JSON.stringify([
      login,
      decoded(login.accessToken),
      refreshed,
      verified,
      denied,
      texts,
      rig.upstream.seen,
      await readFile(join(rig.data, "ledger-keys.json"), "utf8"),
      rig.standalone().log,
    ]);
    expect(seen).toContain(login.session);
    for (const key of [publicKey, sessionKey]) {
      for (const encoding of ["base64url", "base64", "hex"] as const)
        expect(seen).not.toContain(key.toString(encoding));
    }
    for (const page of ["/.well-known/jwks.json", "/jwks", "/auth/jwks", "/.well-known/openid-configuration"]) {
      expect((await fetch(rig.identity() + page)).status).toBe(404);
    }
  });
});

test("each attempt has a record with its reason, and alerts were raised", async () => {
  const records = await rows.records([...expected.keys()]);
  expect(records.map(({ id, reason }) => [id, reason])).toEqual([...expected]);
  const [tenant] = await rows.query<{ id: string }>("SELECT id FROM tenant");
  const raised = new Set((await rows.alerts(tenant?.id ?? "")).map(({ reason }) => reason));
  expect(raised).toEqual(new Set(["BadSignature", "BadStatement", "SessionClosed"]));
});

function decoded(token: string): string {
  return token
    .split(".")
    .slice(0, 2)
    .map((part) => Buffer.from(part, "base64url").toString())
    .join();
}
