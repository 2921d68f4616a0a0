// What a real Envoy makes of its listeners, and when the sidecar says so.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs, createMetrics, pause, systemClock } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findEnvoy } from "../../cli/parts/find-envoy.ts";
import { freePort } from "../../cli/parts/free-port.ts";
import { preparedPolicy } from "../testing/policy.ts";
import { createPodEnvoy, type PodEnvoy } from "./pod-envoy.ts";
import { type EnvoyProcess, runEnvoy } from "./testing/envoy-process.ts";

const WITHIN_MS = 60_000;
const { log } = createLogs({ program: "test", level: "silent" });

let root: string;
let port: number;
let pod: PodEnvoy;
let envoy: EnvoyProcess | undefined;
/** What was said of each policy, in order: its name, and why not. */
let said: [string, string?][];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "h-"));
  port = await freePort();
  said = [];
  pod = createPodEnvoy({
    folder: root,
    port,
    sidecarSocket: join(root, "s.sock"),
    metrics: createMetrics(),
    clock: systemClock,
    log,
    fail: (error) => {
      throw error;
    },
  });
  await pod.start();
});
afterEach(async () => {
  await pod.stop(AbortSignal.timeout(WITHIN_MS));
  await envoy?.stop();
  await rm(root, { recursive: true, force: true });
});

const startEnvoy = () => {
  envoy = runEnvoy(findEnvoy(), join(root, "bootstrap.json"));
};

function show(name: string, appPort: number, defaultAction: "Deny" | "Authenticated" = "Deny"): void {
  const { policy, digest } = preparedPolicy({
    spec: { ports: [{ port: appPort, protocol: "HTTP" }], defaultAction },
  });
  pod.show({ compiled: policy, digest }, (refusal) => said.push(refusal === undefined ? [name] : [name, refusal]));
}

async function until(found: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  while (!found()) await pause(20, signal);
}

async function expectOpen(): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
}

test(
  "a policy is said to be gone by when Envoy listens, and not before; also one that has the same listeners",
  async () => {
    show("first", 8080);
    await pod.stop(AbortSignal.timeout(WITHIN_MS));
    expect(said).toEqual([]);
    await pod.start();
    show("overtaken", 8080);
    show("second", 8081);
    startEnvoy();
    await until(() => said.length > 0);
    await expectOpen();
    show("third", 8081, "Authenticated");
    await until(() => said.length > 1);
    expect(said).toEqual([["second"], ["third"]]);
  },
  WITHIN_MS,
);

test(
  "listeners that Envoy refuses are told of in its words, and the next ones that it takes",
  async () => {
    startEnvoy();
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    show("refused", 8080);
    await until(() => said.length > 0);
    expect(said).toEqual([["refused", expect.stringMatching(/^Envoy refuses the listeners: .*(bind|in use)/i)]]);
    other.close();
    await once(other, "close");
    show("next", 8081);
    await until(() => said.length > 1);
    expect(said.slice(1)).toEqual([["next"]]);
    await expectOpen();
  },
  WITHIN_MS,
);
