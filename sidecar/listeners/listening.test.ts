// What a real Envoy makes of its listeners, and when the sidecar says so.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type Server } from "node:http";
import { connect, createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs, createMetrics, pause, systemClock } from "@heauth/program";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { findEnvoy } from "../../cli/parts/find-envoy.ts";
import { freePort } from "../../cli/parts/free-port.ts";
import { preparedPolicy } from "../testing/policy.ts";
import { ListenersFile } from "./listeners-file.ts";
import { createListeningWatch, type ListeningWatch } from "./listening.ts";
import { createPodEnvoy, type PodEnvoy } from "./pod-envoy.ts";
import { type EnvoyProcess, runEnvoy } from "./testing/envoy-process.ts";

const WITHIN_MS = 60_000;
const { log } = createLogs({ program: "test", level: "silent" });

let root: string;
let port: number;
let pod: PodEnvoy;
let envoy: EnvoyProcess | undefined;
/** Somebody else on Envoy's port. */
let other: NetServer | undefined;
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
  other?.close();
  other = undefined;
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
  "listeners that Envoy refuses are told of in its words, to whoever asks, until it takes them: they are put before it again",
  async () => {
    startEnvoy();
    show("before", 8080);
    await until(() => said.length > 0);
    await pod.stop(AbortSignal.timeout(WITHIN_MS));
    await envoy?.stop();
    other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    await pod.start();
    startEnvoy();
    show("refused", 8081);
    const refused = ["refused", expect.stringMatching(/^Envoy refuses the listeners: .*(bind|in use)/i)];
    await until(() => said.length > 1);
    expect(said.slice(1)).toEqual([refused]);
    // As when another hub brings it: nothing is written then.
    show("refused", 8081);
    await until(() => said.length > 2);
    expect(said.slice(2)).toEqual([refused]);
    other.close();
    await until(() => said.length > 3);
    expect(said.slice(3)).toEqual([["refused"]]);
    await expectOpen();
  },
  2 * WITHIN_MS,
);

describe("an Envoy", () => {
  let server: Server;
  let adminSocket: string;
  let file: ListenersFile;
  let watch: ListeningWatch | undefined;
  /** What it says: of the version that it goes by, and of what it refused, and when. */
  let version: string;
  let refused: { details: string; last_update_attempt: string } | undefined;
  const ever = "2100-01-01T00:00:00.123Z";

  beforeEach(async () => {
    [version, refused] = ["", undefined];
    adminSocket = join(root, "fake.sock");
    server = createHttpServer((request, response) => {
      const stats = [
        { name: "listener_manager.lds.version_text", value: version },
        { name: "listener_manager.total_listeners_warming", value: 0 },
        { name: "listener_manager.workers_started", value: 1 },
      ];
      const configs = refused === undefined ? [{}] : [{ error_state: refused }];
      response.end(JSON.stringify(request.url?.startsWith("/stats") ? { stats } : { configs }));
    }).listen(adminSocket);
    await once(server, "listening");
    file = new ListenersFile(join(root, "listeners.json"));
    await file.write("{}");
  });
  afterEach(async () => {
    watch?.stop();
    server.close();
    await once(server, "close");
  });

  function follow(silentAfterMs: number): void {
    watch = createListeningWatch({ adminSocket, file, log, silentAfterMs, lookAgainMs: 20 });
    watch.follow("v1", (refusal) => said.push(refusal === undefined ? ["v1"] : ["v1", refusal]));
  }

  test("that does not take listeners and has no word for it is told of", async () => {
    refused = { details: "of others", last_update_attempt: "2000-01-01T00:00:00Z" };
    follow(100);
    await until(() => said.length > 0);
    expect(said).toEqual([["v1", "Envoy does not take the listeners, and its log says why"]]);
  });

  test("that goes by them no more is told of, once, in one line that is not too long", async () => {
    version = "v1";
    follow(WITHIN_MS);
    await until(() => said.length > 0);
    refused = { details: `no\n\0 ${"\u{1f600}".repeat(1_000)}`, last_update_attempt: ever };
    version = "";
    await until(() => said.length > 1);
    version = "v1";
    await until(() => said.length > 2);
    expect(said).toEqual([
      ["v1"],
      ["v1", expect.stringMatching(/^Envoy refuses the listeners: no .{496,498}…$/)],
      ["v1"],
    ]);
    expect(said[1]?.[1]?.isWellFormed()).toBe(true);
  });
});
