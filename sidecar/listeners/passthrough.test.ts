import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs, createMetrics, pause, systemClock } from "@heauth/program";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { findEnvoy } from "../../cli/parts/find-envoy.ts";
import { preparedPolicy } from "../testing/policy.ts";
import { askEnvoy } from "./envoy-admin.ts";
import { ListenersFile } from "./listeners-file.ts";
import { createPassthroughCount } from "./passthrough-count.ts";
import { podBootstrap, podListeners } from "./pod.ts";
import { type EnvoyProcess, runEnvoy } from "./testing/envoy-process.ts";

const WITHIN_MS = 60_000;
const { log } = createLogs({ program: "test", level: "silent" });
const settings = { port: 0, ipv6: false, authorizerTimeoutMs: 2_000 };

/** Speaks first, as many databases do, and then says everything again. */
const app = createServer((socket) => {
  socket.on("error", () => {});
  socket.write("hello\n");
  socket.pipe(socket);
});
const undeclared = createServer((socket) => socket.end("open\n"));
let folder: string;
let adminSocket: string;
let file: ListenersFile;
let envoy: EnvoyProcess;

const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-passthrough-"));
  adminSocket = join(folder, "admin.sock");
  const listenersFile = join(folder, "listeners.json");
  file = new ListenersFile(listenersFile);
  for (const server of [app, undeclared]) await once(server.listen(0, "127.0.0.1"), "listening");
  const [sidecarSocket, drainingFile] = [join(folder, "s.sock"), join(folder, "draining")];
  const bootstrap = podBootstrap({ sidecarSocket, adminSocket, listenersFile, drainingFile });
  await writeFile(join(folder, "bootstrap.json"), bootstrap);
  await open([portOf(app)]);
  envoy = runEnvoy(findEnvoy(), join(folder, "bootstrap.json"));
}, WITHIN_MS);
afterAll(async () => {
  await envoy?.stop();
  for (const server of [app, undeclared]) server.close();
  await rm(folder, { recursive: true, force: true });
});

/** A test's connections are not redirected, so the PROXY protocol tells Envoy what they mean; all else is as in a pod. */
async function open(passthroughPorts: number[]): Promise<void> {
  const { policy, digest } = preparedPolicy({ spec: { passthroughPorts } });
  const listeners = JSON.parse(podListeners({ compiled: policy, digest }, settings));
  const type = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";
  listeners.resources[0].listener_filters = [
    { name: "envoy.filters.listener.proxy_protocol", typed_config: { "@type": type } },
  ];
  await file.write(JSON.stringify(listeners));
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await pause(50, signal);
  }
}

const listening = () =>
  eventually(async () => {
    const { body } = await askEnvoy(adminSocket, "/listeners?format=json", AbortSignal.timeout(WITHIN_MS));
    return JSON.parse(body).listener_statuses[0]?.local_address.socket_address.port_value as number | undefined;
  });

/** What comes back to somebody who means that port and says something. */
async function said(to: number, text: string): Promise<string> {
  const socket = connect(await listening(), "127.0.0.1");
  socket.write(`PROXY TCP4 127.0.0.1 127.0.0.1 40000 ${to}\r\n`);
  let got = "";
  socket.on("error", () => {});
  socket.on("data", (data) => {
    got += data;
    if (got === "hello\n") socket.write(text);
    if (got.endsWith(text)) socket.end();
  });
  await once(socket, "close");
  return got;
}

test(
  "nobody shares the port with Envoy, and so a part of the connections, not even its own user",
  async () => {
    const other = createServer().listen({ port: await listening(), host: "0.0.0.0", reusePort: true });
    try {
      await expect(once(other, "listening")).rejects.toMatchObject({ code: "EADDRINUSE" });
    } finally {
      other.close();
    }
  },
  WITHIN_MS,
);

test(
  "what is let through reaches the app, is counted, and ends with the policy; any other port is closed",
  async () => {
    const port = portOf(app);
    expect(await said(port, "ping\n")).toBe("hello\nping\n");
    expect(await said(port, "pong\n")).toBe("hello\npong\n");
    expect(await said(portOf(undeclared), "ping\n")).toBe("");

    const metrics = createMetrics();
    const count = createPassthroughCount({ adminSocket, metrics, clock: systemClock, log, lookEveryMs: 20 });
    await count.start();
    const counted = (line: string) =>
      eventually(async () => ((await metrics.text()).includes(`${line}\n`) ? true : undefined));
    await counted(`heauth_passthrough_connections_total{port="${port}"} 2`);
    await counted(`heauth_passthrough_bytes_total{port="${port}",direction="in"} 10`);
    await counted(`heauth_passthrough_bytes_total{port="${port}",direction="out"} 22`);
    expect(await said(port, "more\n")).toBe("hello\nmore\n");
    await counted(`heauth_passthrough_connections_total{port="${port}"} 3`);
    await count.stop(AbortSignal.timeout(WITHIN_MS));

    await open([]);
    expect(await eventually(async () => ((await said(port, "ping\n")) === "" ? "closed" : undefined))).toBe("closed");
  },
  2 * WITHIN_MS,
);
