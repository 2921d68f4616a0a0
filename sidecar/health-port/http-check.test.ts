import { createAuthority } from "@heauth/e2e/kube";
import { afterEach, expect, test } from "@jest/globals";
import { checkOf, kubeletChecksText } from "./kubelet-checks.ts";
import { perform } from "./perform.ts";
import { type AppOptions, startApp } from "./testing/app.ts";

const HEALTH_PORT = 15_020;
const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function app(answer: Parameters<typeof startApp>[0], options?: AppOptions) {
  const started = await startApp(answer, options);
  ends.push(started.stop);
  return started;
}

function checked(get: object, { kind = "readiness", timeoutSeconds = 20 } = {}) {
  const checks = kubeletChecksText.parse(JSON.stringify({ [`app/${kind}`]: { httpGet: get, timeoutSeconds } }));
  const check = checkOf(checks, `app/${kind}`);
  if (check === undefined) throw new Error("no check");
  return perform(check, { address: "127.0.0.1", healthPort: HEALTH_PORT }, never);
}

test.each([
  [199 + 1, undefined],
  [204, undefined],
  [304, undefined],
  [399, undefined],
  [400, "status 400"],
  [404, "status 404"],
  [500, "status 500"],
])("status %d: %s", async (status, finding) => {
  const { port } = await app((_, response) => response.writeHead(status).end());
  expect(await checked({ port })).toBe(finding);
});

test("what is sent: the recorded headers, each as often as it stands there, and the host", async () => {
  const { port, seen } = await app((_, response) => response.end());
  const httpHeaders = [
    { name: "Host", value: "shop.test" },
    { name: "X-A", value: "1" },
    { name: "x-a", value: "2" },
    { name: "Accept", value: "" },
    { name: "User-Agent", value: "mine" },
    { name: "Content-Length", value: "7" },
    { name: "Connection", value: "upgrade" },
  ];
  await checked({ path: "/a?b=%2F#c", port, httpHeaders });
  const [request] = seen;
  expect([request?.method, request?.url]).toEqual(["GET", "/a?b=%2F"]);
  expect(request?.rawHeaders.map((each, n) => (n % 2 === 0 ? each.toLowerCase() : each))).toEqual([
    ...["x-a", "1", "x-a", "2", "user-agent", "mine", "host", "shop.test", "connection", "close"],
  ]);
});

test("and without any: the address, and who asks", async () => {
  const { port, seen } = await app((_, response) => response.end());
  await checked({ path: "ä b", port });
  expect(seen[0]?.url).toBe("/%C3%A4%20b");
  expect(seen[0]?.headers).toMatchObject({
    host: `127.0.0.1:${port}`,
    "user-agent": "kube-probe/heauth",
    accept: "*/*",
  });
});

test("a header that can't be sent is the app's failure, not ours", async () => {
  const { port } = await app((_, response) => response.end());
  expect(await checked({ port, httpHeaders: [{ name: "A", value: "b\nc" }] })).toBe("ERR_INVALID_CHAR");
});

test("HTTPS, whoever vouches for the app", async () => {
  const authority = await createAuthority();
  const identity = await authority.issue("app");
  const { port } = await app((_, response) => response.end(), { identity });
  const host = [{ name: "Host", value: "shop.test" }];
  expect(await checked({ port, scheme: "HTTPS", httpHeaders: host })).toBeUndefined();
  expect(await checked({ port })).toEqual(expect.any(String));
});

const redirecting = (to: (port: number) => string) =>
  app((request, response) => {
    if (request.url === "/there") return void response.end();
    const port = Number(request.socket.localPort);
    response.writeHead(302, { location: to(port) }).end();
  });

test.each([
  ["a path", () => "/there", ["/", "/there"], undefined],
  ["the same host", (port: number) => `http://127.0.0.1:${port}/there`, ["/", "/there"], undefined],
  ["another host, which is not asked", () => "http://127.0.0.9/there", ["/"], undefined],
  ["the sidecar", () => `http://127.0.0.1:${HEALTH_PORT}/probe/app/readiness`, ["/"], "a redirect to the sidecar"],
  ["no address", () => "ftp://127.0.0.1/", ["/"], "a redirect to no address"],
  ["itself", () => "/", Array.from({ length: 10 }, () => "/"), "stopped after 10 redirects"],
])("a redirect to %s", async (_, to, urls, finding) => {
  const { port, seen } = await redirecting(to);
  expect(await checked({ port })).toBe(finding);
  expect(seen.map(({ url }) => url)).toEqual(urls);
});

test("the recorded host goes along with a redirect to a path, and not to an address", async () => {
  const httpHeaders = [{ name: "Host", value: "shop.test" }];
  const relative = await redirecting(() => "/there");
  await checked({ port: relative.port, httpHeaders });
  const absolute = await redirecting((port) => `http://127.0.0.1:${port}/there`);
  await checked({ port: absolute.port, httpHeaders });
  const hosts = [...relative.seen, ...absolute.seen].map(({ headers }) => headers.host);
  expect(hosts).toEqual(["shop.test", "shop.test", "shop.test", `127.0.0.1:${absolute.port}`]);
});

test("an app that does not answer fails after the probe's own time", async () => {
  const { port } = await app(() => {});
  expect(await checked({ port }, { timeoutSeconds: 1 })).toBe("no answer in time");
});

test("an app that says it is well counts, whatever it goes on to say", async () => {
  const { port } = await app((_, response) => void response.writeHead(200).write("x".repeat(1024 * 1024)));
  expect(await checked({ port })).toBeUndefined();
});

test("headers without an end fail", async () => {
  const { port } = await app((_, response) => response.writeHead(200, { "x-a": "a".repeat(100_000) }).end());
  expect(await checked({ port })).toBe("HPE_HEADER_OVERFLOW");
});

test("nobody there is told as it is", async () => {
  const gone = await startApp(() => {});
  await gone.stop();
  expect(await checked({ port: gone.port })).toBe("ECONNREFUSED");
  expect(await checked({ port: gone.port }, { kind: "pre-stop" })).toBe("ECONNREFUSED");
});
