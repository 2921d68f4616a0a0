import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { preparedPolicy } from "../testing/policy.ts";
import { createPodEnvoy } from "./pod-envoy.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const deadline = AbortSignal.timeout(60_000);

let root: string;
let folder: string;
let failures: unknown[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "heauth-pod-envoy-"));
  folder = join(root, "envoy");
  failures = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

const create = () =>
  createPodEnvoy({
    folder,
    port: 15_006,
    sidecarSocket: join(root, "s.sock"),
    log,
    fail: (error, code) => void failures.push([(error as NodeJS.ErrnoException).code, code]),
  });
const readJson = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));

function policyAt(port: number) {
  const { policy, digest } = preparedPolicy({ spec: { ports: [{ port, protocol: "HTTP" }] } });
  return { compiled: policy, digest };
}

test("at first Envoy finds its configuration, and nothing to listen on", async () => {
  await create().start();
  const { dynamic_resources, admin } = await readJson("bootstrap.json");
  expect(dynamic_resources.lds_config.path_config_source).toEqual({ path: join(folder, "listeners.json") });
  expect(admin.address.pipe.path).toBe(join(folder, "admin.sock"));
  expect(await readJson("listeners.json")).toEqual({ version_info: "none", resources: [] });
  const modeOf = async (name: string) => (await stat(join(folder, name))).mode & 0o777;
  expect(await Promise.all(["", "bootstrap.json", "listeners.json"].map(modeOf))).toEqual([0o770, 0o640, 0o640]);
});

test("with a policy its ports are listened on, and with the next one its own", async () => {
  const envoy = create();
  await envoy.start();
  const [first, second] = [policyAt(8080), policyAt(9090)];
  envoy.show(first);
  envoy.show(second);
  await envoy.stop(deadline);
  const { version_info, resources } = await readJson("listeners.json");
  expect(version_info).toBe(second.digest);
  expect(resources[0].filter_chains).toMatchObject([{ filter_chain_match: { destination_port: 9090 } }]);
  expect(failures).toEqual([]);
});

test("a sidecar that starts again closes nothing", async () => {
  const envoy = create();
  await envoy.start();
  const policy = policyAt(8080);
  envoy.show(policy);
  await envoy.stop(deadline);
  await create().start();
  expect((await readJson("listeners.json")).version_info).toBe(policy.digest);
});

test("what can't be written ends the process", async () => {
  const envoy = create();
  await envoy.start();
  await rm(folder, { recursive: true });
  envoy.show(policyAt(8080));
  await envoy.stop(deadline);
  expect(failures).toEqual([["ENOENT", 74]]);
});
