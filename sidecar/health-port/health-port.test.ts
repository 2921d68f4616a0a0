import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { type AppOptions, startApp } from "./testing/app.ts";
import { startPages } from "./testing/pages.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function pages(...args: Parameters<typeof startPages>) {
  const started = await startPages(...args);
  ends.push(started.stop);
  return started;
}
async function app(answer: Parameters<typeof startApp>[0], options?: AppOptions) {
  const started = await startApp(answer, options);
  ends.push(started.stop);
  return started;
}
const ready = (port: number) => ({ "app/readiness": { httpGet: { path: "/r", port }, timeoutSeconds: 60 } });

test("started means that what Envoy needs is there, whatever the hub does", async () => {
  let isStarted = false;
  const { status, health } = await pages({}, { isStarted: () => isStarted });
  health.addReady("records", () => "the hub was not reached yet");
  expect([await status("/startupz"), await status("/readyz"), await status("/healthz")]).toEqual([503, 503, 200]);
  isStarted = true;
  expect([await status("/startupz"), await status("/readyz"), await status("/healthz")]).toEqual([200, 503, 200]);
});

test("an app is as well as it says, though the sidecar is not ready", async () => {
  let answered = 200;
  const { port } = await app((_, response) => response.writeHead(answered).end());
  const { status, health } = await pages(ready(port));
  health.addReady("records", () => "the hub was not reached yet");
  expect(await status("/probe/app/readiness")).toBe(200);
  answered = 500;
  // An outcome serves for a moment.
  while ((await status("/probe/app/readiness")) === 200);
  answered = 200;
  while ((await status("/probe/app/readiness")) !== 200);
});

test("a hook is done for each who asks one after the other", async () => {
  const { port, seen } = await app((_, response) => response.end());
  const { status } = await pages({ "app/pre-stop": { httpGet: { path: "/bye", port } } });
  expect([await status("/probe/app/pre-stop"), await status("/probe/app/pre-stop")]).toEqual([200, 200]);
  expect(seen.map(({ url }) => url)).toEqual(["/bye", "/bye"]);
});

test("a hook that gets any answer is done; one that gets none is not answered, which is how the kubelet is told", async () => {
  const gone = await startApp(() => {});
  await gone.stop();
  const refusing = await app((_, response) => response.writeHead(500).end());
  const { status } = await pages({
    "app/post-start": { httpGet: { path: "/", port: refusing.port } },
    "app/pre-stop": { httpGet: { path: "/", port: gone.port } },
  });
  expect(await status("/probe/app/post-start")).toBe(200);
  await expect(status("/probe/app/pre-stop")).rejects.toThrow();
});

test("the app is asked at the address of the pod's where we are asked", async () => {
  const { port } = await app((_, response) => response.end(), { host: "127.0.0.7" });
  const { status } = await pages(ready(port));
  expect(await status("/probe/app/readiness", { at: "127.0.0.7" })).toBe(200);
  expect(await status("/probe/app/readiness", { at: "127.0.0.8" })).toBe(503);
});

const isIPv6There = existsSync("/proc/net/if_inet6");
(isIPv6There ? test : test.skip)("also by IPv6 (which this machine must have)", async () => {
  const { port } = await app((_, response) => response.end(), { host: "::1" });
  const { status } = await pages(ready(port));
  expect(await status("/probe/app/readiness", { at: "::1" })).toBe(200);
  expect(await status("/probe/app/readiness")).toBe(503);
});

test.each([
  ["/", "GET", 404],
  ["/metrics", "GET", 404],
  ["/probe/app", "GET", 404],
  ["/probe/app/liveness", "GET", 404],
  ["/probe/other/readiness", "GET", 404],
  ["/probe/app/readiness/x", "GET", 404],
  ["/probe/__proto__", "GET", 404],
  ["/probe/app/readiness", "POST", 405],
  ["/startupz", "PUT", 405],
  ["/startupz", "HEAD", 200],
])("%s by %s answers %d", async (path, method, expected) => {
  const { port, seen } = await app((_, response) => response.end());
  const { status } = await pages(ready(port));
  expect(await status(path, { method })).toBe(expected);
  expect(seen).toEqual([]);
});

test("no crowd keeps the kubelet out: the oldest connection goes", async () => {
  const { port, status } = await pages();
  const crowd = Array.from({ length: 1_100 }, () => createConnection({ port, host: "127.0.0.1" }));
  ends.push(async () => {
    for (const each of crowd) each.destroy();
  });
  await Promise.all(
    crowd.map((each) => new Promise<unknown>((resolve) => each.on("error", resolve).on("connect", resolve))),
  );
  expect(await status("/healthz")).toBe(200);
});

test("without an Envoy, Envoy is not ready", async () => {
  const { status } = await pages();
  expect(await status("/readyz/envoy")).toBe(503);
});
