import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs, createMetrics, systemClock } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { preparedPolicy } from "../testing/policy.ts";
import { createPodEnvoy, type PodEnvoy } from "./pod-envoy.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const deadline = AbortSignal.timeout(60_000);

let root: string;
let folder: string;
let failures: unknown[];
let started: PodEnvoy[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "heauth-pod-envoy-"));
  folder = join(root, "envoy");
  failures = [];
  started = [];
});
afterEach(async () => {
  for (const one of started) await one.stop(deadline);
  await rm(root, { recursive: true, force: true });
});

async function start(): Promise<PodEnvoy> {
  const envoy = createPodEnvoy({
    folder,
    port: 15_006,
    sidecarSocket: join(root, "s.sock"),
    metrics: createMetrics(),
    clock: systemClock,
    log,
    fail: (error, code) => void failures.push([(error as NodeJS.ErrnoException).code, code]),
  });
  started.push(envoy);
  await envoy.start();
  return envoy;
}
const readJson = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));

function policyAt(port: number, passthroughPorts: number[] = []) {
  const { policy, digest } = preparedPolicy({ spec: { ports: [{ port, protocol: "HTTP" }], passthroughPorts } });
  return { compiled: policy, digest };
}

test("at first Envoy finds its configuration, and nothing to listen on", async () => {
  await start();
  const { dynamic_resources, admin } = await readJson("bootstrap.json");
  expect(dynamic_resources.lds_config.path_config_source).toEqual({ path: join(folder, "listeners.json") });
  expect(admin.address.pipe.path).toBe(join(folder, "admin.sock"));
  expect(await readJson("listeners.json")).toEqual({ version_info: "none", resources: [] });
  const modeOf = async (name: string) => (await stat(join(folder, name))).mode & 0o777;
  expect(await Promise.all(["", "bootstrap.json", "listeners.json"].map(modeOf))).toEqual([0o770, 0o640, 0o640]);
});

test("with a policy its ports are listened on, and with the next one its own", async () => {
  const envoy = await start();
  const [first, second] = [policyAt(8080), policyAt(9090)];
  envoy.show(first, () => {});
  envoy.show(second, () => {});
  await envoy.stop(deadline);
  const { version_info, resources } = await readJson("listeners.json");
  expect(version_info).toBe(second.digest);
  expect(resources[0].filter_chains).toMatchObject([{ filter_chain_match: { destination_port: 9090 } }]);
  expect(failures).toEqual([]);
});

test("a sidecar that starts again closes nothing", async () => {
  const envoy = await start();
  const policy = policyAt(8080);
  envoy.show(policy, () => {});
  await envoy.stop(deadline);
  await start();
  expect((await readJson("listeners.json")).version_info).toBe(policy.digest);
});

const chainsOf = async () => {
  const { resources } = await readJson("listeners.json");
  return resources[0]?.filter_chains.map(({ name }: { name: string }) => name);
};

test("a policy that is taken away lets nothing through any more, and its ports are the sidecar's to deny", async () => {
  const envoy = await start();
  envoy.show(policyAt(8080, [5432]), () => {});
  await envoy.stop(deadline);
  expect(await chainsOf()).toEqual(["port-8080", "passthrough-5432"]);
  envoy.showNone();
  await envoy.stop(deadline);
  expect(await chainsOf()).toEqual(["port-8080"]);
});

test("ports that a process before opened are closed where there is no policy any more", async () => {
  const before = await start();
  before.show(policyAt(8080, [5432]), () => {});
  await before.stop(deadline);
  const envoy = await start();
  envoy.showNone();
  await envoy.stop(deadline);
  expect((await readJson("listeners.json")).resources).toEqual([]);
});

test("what can't be written ends the process", async () => {
  const envoy = await start();
  await rm(folder, { recursive: true });
  envoy.show(policyAt(8080), () => {});
  await envoy.stop(deadline);
  expect(failures).toEqual([["ENOENT", 74]]);
});
