import { afterEach, expect, test } from "@jest/globals";
import { createHealth } from "./health.ts";
import { createLogs } from "./logs.ts";
import { createMetrics } from "./measure.ts";
import type { PageServer } from "./page-server.ts";
import { createProbeServer } from "./probe-server.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const listen = { host: "127.0.0.1", port: 0 };
const servers: PageServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(AbortSignal.timeout(1_000));
});

async function serve() {
  const health = createHealth();
  const metrics = createMetrics();
  const server = createProbeServer({ listen, health, metrics, log });
  await server.start();
  servers.push(server);
  const get = async (path: string, method = "GET") => {
    const response = await fetch(`${server.url()}${path}`, { method });
    return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
  };
  return { health, metrics, get, server };
}

test("live and ready are answered apart, with the reasons why not", async () => {
  const { health, get } = await serve();
  expect(await get("/healthz")).toMatchObject({ status: 200, body: '{"ok":true,"problems":{}}' });
  let hub: string | undefined = "not reached yet";
  health.addReady("hub", () => hub);
  expect(await get("/readyz")).toMatchObject({
    status: 503,
    body: '{"ok":false,"problems":{"hub":"not reached yet"}}',
  });
  expect(await get("/healthz")).toMatchObject({ status: 200 });
  hub = undefined;
  expect(await get("/readyz?verbose")).toMatchObject({ status: 200 });
  health.drain();
  expect(await get("/readyz")).toMatchObject({ status: 503, body: '{"ok":false,"problems":{"program":"draining"}}' });
});

test("a check that throws is a reason why not, without its message", async () => {
  const { health, get } = await serve();
  health.addLive("wal", () => {
    throw new Error("a secret");
  });
  expect(await get("/healthz")).toMatchObject({ status: 503, body: '{"ok":false,"problems":{"wal":"check failed"}}' });
});

test("metrics are in Prometheus' text format", async () => {
  const { metrics, get } = await serve();
  metrics.counter("heauth_gaps_total", { reason: "WalCorrupt" }).add();
  const answer = await get("/metrics");
  expect(answer).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
  expect(answer.body).toContain('heauth_gaps_total{reason="WalCorrupt"} 1\n');
});

test.each([
  ["/", "GET", 404, "NotFound"],
  ["/metrics/x", "GET", 404, "NotFound"],
  ["/healthz", "POST", 405, "MethodNotAllowed"],
])("%s %s is a problem document", async (path, method, status, code) => {
  const { get } = await serve();
  const answer = await get(path, method);
  expect(answer).toMatchObject({ status, type: "application/problem+json" });
  expect(JSON.parse(answer.body)).toMatchObject({ status, code });
});

test("a port that is taken is a StartFailed that names it", async () => {
  const { server } = await serve();
  const port = Number(new URL(server.url()).port);
  const second = createProbeServer({
    listen: { ...listen, port },
    health: createHealth(),
    metrics: createMetrics(),
    log,
  });
  await expect(second.start()).rejects.toMatchObject({
    code: "StartFailed",
    message: expect.stringContaining(String(port)),
  });
});
