// What the webhook writes into pods is what the sidecar and Envoy start with.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPinnedKeys, pinnedKey, pinnedKeys } from "@heauth/core/ledger";
import { createAuthority } from "@heauth/e2e/kube";
import {
  createHealth,
  createLogs,
  createMetrics,
  inOrder,
  type Metrics,
  type Part,
  parseFlags,
  readConfig,
  systemClock,
} from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findEnvoy } from "../cli/parts/find-envoy.ts";
import { freePort } from "../cli/parts/free-port.ts";
import { FOLDERS } from "../operator/webhook/injection/names.ts";
import { containerOf, injected, podOf } from "../operator/webhook/injection/testing/pods.ts";
import { createSidecar } from "./app.ts";
import { sidecarSettings } from "./config.ts";
import { type App, startApp } from "./health-port/testing/app.ts";
import { testCache } from "./sessions/testing.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const deadline = AbortSignal.timeout(120_000);

let root: string;
let app: App;
let parts: Part[];
let sidecar: Part;
let envoy: ChildProcess | undefined;
let health: number;
let pod: ReturnType<typeof injected>;
let metrics: Metrics;

/** Our folders are in a temporary one here. */
const moved = (text: string) =>
  Object.values(FOLDERS).reduce((now, folder) => now.replaceAll(`=${folder}`, `=${root}${folder}`), text);
const movedPath = (text: string) => (text.startsWith(FOLDERS.run) ? root + text : text);
/** As Kubernetes unfolds what stands in a pod. */
const unfolded = (text: string) => text.replaceAll("$$", "$");

function settingsOf(container: ReturnType<typeof containerOf>) {
  const [program, ...flags] = (container["args"] as string[]).map(moved);
  expect(program).toBe("sidecar");
  const env = container["env"] as { name: string; value: string }[];
  const environment = Object.fromEntries(env.map(({ name, value }) => [name, unfolded(value)]));
  return readConfig(sidecarSettings, { flags: parseFlags(sidecarSettings, flags).flags, environment }).values;
}

async function mountTrust(): Promise<void> {
  const trust = root + FOLDERS.trust;
  const token = root + FOLDERS.token;
  for (const folder of [trust, token, root + FOLDERS.run]) await mkdir(folder, { recursive: true });
  const { identity } = testCache().hub;
  await writeFile(
    join(trust, "ledger-keys.json"),
    formatPinnedKeys(pinnedKeys([pinnedKey("identity", identity.publicKey)])),
  );
  await writeFile(join(trust, "hub-ca.crt"), (await createAuthority()).certificate);
  await writeFile(join(token, "token"), "e30.e30.e30");
}

async function page(path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${health}${path}`, { headers: { connection: "close" } });
  await response.arrayBuffer();
  return response.status;
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "h-"));
  await mountTrust();
  app = await startApp((request, response) => response.writeHead(request.url === "/$(HOME)" ? 200 : 500).end());
  health = await freePort();
  // Nobody is there: the hub is away.
  const hub = `https://127.0.0.1:${await freePort()}`;
  const probes = {
    startupProbe: { tcpSocket: { port: app.port }, timeoutSeconds: 20 },
    livenessProbe: { httpGet: { path: "/$(HOME)", port: app.port }, timeoutSeconds: 20 },
    readinessProbe: { httpGet: { path: "/other", port: app.port }, timeoutSeconds: 20 },
  };
  pod = injected(podOf({}, probes), { hub, ports: { envoy: await freePort(), health }, walQuota: 4 });
  metrics = createMetrics();
  parts = createSidecar({
    config: settingsOf(containerOf(pod, "heauth")),
    version: "test",
    clock: systemClock,
    log,
    metrics,
    health: createHealth(),
    fail: (error) => {
      throw error;
    },
  });
  sidecar = inOrder("sidecar", parts, log);
});
afterEach(async () => {
  if (envoy?.exitCode === null) {
    envoy.kill("SIGKILL");
    await once(envoy, "exit");
  }
  await sidecar.stop(AbortSignal.abort());
  await app.stop();
  await rm(root, { recursive: true });
});

test("a sidecar has not started before Envoy can ask it", async () => {
  const [pages] = parts;
  await pages?.start();
  expect([await page("/startupz"), await page("/healthz")]).toEqual([503, 200]);
  await pages?.stop(AbortSignal.abort());
}, 120_000);

test("while the hub is away a pod starts all the same, its app is asked, and it is not ready", async () => {
  await expect(page("/startupz")).rejects.toThrow();
  await sidecar.start();
  expect([await page("/startupz"), await page("/healthz"), await page("/readyz")]).toEqual([200, 200, 503]);
  expect(await page("/readyz/envoy")).toBe(503);
  const unusable = (await metrics.text()).match(/^heauth_trust_file_unusable.*$/gm)?.sort();
  expect(unusable).toEqual(
    ["hub-ca", "hub-token", "identity-keys"].map((file) => `heauth_trust_file_unusable{file="${file}"} 0`),
  );

  const { args } = containerOf(pod, "heauth-envoy") as unknown as { args: string[] };
  envoy = spawn(findEnvoy(), args.map(movedPath), { stdio: "ignore" });
  while ((await page("/readyz/envoy")) !== 200) deadline.throwIfAborted();

  expect([await page("/probe/app/startup"), await page("/probe/app/liveness")]).toEqual([200, 200]);
  expect(await page("/probe/app/readiness")).toBe(503);

  envoy.kill("SIGSTOP");
  expect(await page("/readyz/envoy")).toBe(503);
}, 120_000);
