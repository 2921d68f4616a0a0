import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { findEnvoy } from "heauth/parts";
import { policySpec, tenantSpec, writeResources } from "./standalone/resources.ts";

const run = promisify(execFile);
const BUNDLE = resolve(import.meta.dirname, "../image/bundle.ts");
/** Nothing of this repository is on its way: neither a folder above, nor a variable. */
const env = { PATH: "/usr/bin:/bin", HEAUTH_ENVOY: findEnvoy() };

let folder: string;
let bundle: string;
let db: TestDatabase;
let standalone: ChildProcess | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-bundle-"));
  bundle = join(folder, "bundle");
  await run(process.execPath, [BUNDLE, bundle]);
  db = await testDatabase({ migrated: false });
}, 60_000);
afterAll(async () => {
  if (standalone?.exitCode === null && standalone.signalCode === null) {
    standalone.kill("SIGKILL");
    await once(standalone, "exit");
  }
  await db?.drop();
  await rm(folder, { recursive: true, force: true });
});

const heauth = (...args: string[]) =>
  run(process.execPath, [join(bundle, "heauth.mjs"), ...args], { env, cwd: folder });

test.each([
  [["--version"], /^\d+\.\d+\.\d+\n$/],
  [["--help"], /standalone.*identity.*ledger/s],
  ...["standalone", "operator", "identity", "hub", "webhook", "sidecar"].map(
    (program) => [[program, "--help"], new RegExp(`^Usage: heauth ${program} .*--log-level`, "s")] as const,
  ),
  [["migrate", "--help"], /--database/],
  [["superuser", "create", "--help"], /--tenant/],
  [["ledger", "verify", "--help"], /Exit codes/],
] as const)("%j", async (args, text) => {
  expect(await heauth(...args)).toEqual({ stdout: expect.stringMatching(text), stderr: "" });
});

test("migrates by the SQL files that it brings along", async () => {
  expect((await heauth("migrate", "--database", db.url)).stdout).toMatch(/^applied 001_\w+, 002_/);
});

test("its native packages work", async () => {
  const script = `
    const { hash } = require("bcrypt");
    const { verify, hash: argon2 } = require("@node-rs/argon2");
    argon2("x").then(async (made) => console.log(await verify(made, "x"), await hash("x", 4)));`;
  const { stdout } = await run(process.execPath, ["-e", script], { env, cwd: bundle });
  expect(stdout).toMatch(/^true \$2b\$04\$/);
});

test("all of heauth runs from it: a sidecar and an Envoy before an app, and somebody logs in", async () => {
  const app = createServer((_, response) => void response.end("well"));
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  try {
    const resources = join(folder, "resources");
    await writeResources(
      resources,
      { acme: tenantSpec("acme", "http://127.0.0.1:9/") },
      { "clinic/web": policySpec("acme") },
    );
    const flags = {
      resources,
      data: join(folder, "data"),
      identity: "127.0.0.1:0",
      database: db.url,
      "log-level": "warn",
      protect: `clinic/web=127.0.0.1:0,http://127.0.0.1:${(app.address() as AddressInfo).port}`,
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    standalone = spawn(process.execPath, [join(bundle, "heauth.mjs"), "standalone", ...args], { env, cwd: folder });
    const logged: string[] = [];
    standalone.stderr?.on("data", (chunk: Buffer) => void logged.push(chunk.toString()));
    const lines = createInterface({ input: standalone.stdout ?? process.stdin });
    const [ready] = await Promise.race([once(lines, "line"), once(standalone, "exit").then(() => [logged.join("")])]);
    const found = /^ready identity=(?<identity>\S+) clinic\/web=(?<web>\S+)$/.exec(ready)?.groups;
    if (found?.["identity"] === undefined) throw new Error(`standalone did not start: ${ready}`);
    expect(await (await fetch(`${found["web"]}/healthz`)).text()).toBe("well");
    expect((await fetch(`${found["web"]}/patients/1`)).status).toBe(401);
    const password = "vier Kühe im Regen";
    const post = async (path: string, body: object, headers = {}) => {
      const answer = await fetch(`${found["identity"]}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
      expect([200, 201]).toContain(answer.status);
      return (await answer.json()) as { token: string; accessToken: string };
    };
    const { token } = await post("/tenant", { email: "own@example.org", password, name: "own" });
    await post("/user", { login: "anna", email: "anna@example.org", password }, { authorization: `Bearer ${token}` });
    expect((await post("/auth", { tenant: "own", login: "anna", password })).accessToken).toMatch(/^ey/);
    standalone.kill("SIGTERM");
    expect(await once(standalone, "exit")).toEqual([0, null]);
  } finally {
    app.close();
  }
}, 120_000);

test("tells the licences of all that is in it, and what that is", async () => {
  const licences = await readFile(join(bundle, "LICENSES.txt"), "utf8");
  const bom = JSON.parse(await readFile(join(bundle, "bom.json"), "utf8"));
  const names = bom.components.map(({ name, group }: { name: string; group?: string }) =>
    group ? `${group}/${name}` : name,
  );
  for (const name of ["fastify", "pg", "pino", "bcrypt", "@node-rs/argon2", "@grpc/grpc-js"]) {
    expect(names).toContain(name);
    expect(licences).toMatch(new RegExp(`^${name} \\d`, "m"));
  }
  expect(names).toContain("node");
  expect(licences).toMatch(/^Node\.js 24\..*OpenSSL/ms);
});

test("the image's build knows every package: npm would miss its manifest", async () => {
  const { workspaces } = JSON.parse(await readFile(join(import.meta.dirname, "../package.json"), "utf8"));
  const dockerfile = await readFile(join(import.meta.dirname, "../Dockerfile"), "utf8");
  const copied = [...dockerfile.matchAll(/^COPY (\S+)\/package\.json \1\/$/gm)].map(([, folder]) => folder);
  expect(copied).toEqual(workspaces);
});
