import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { get, rawRequest } from "./envoy/raw-request.ts";
import { values } from "./envoy/recorder.ts";
import { type Rig, startRig } from "./envoy/rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
}, 30_000);
beforeEach(() => rig.reset());
afterAll(() => rig?.stop());

const url = () => rig.envoy.url();
const asked = () => rig.authorizer.seen[0];
const served = () => rig.app.seen[0];

describe("what the sidecar is told", () => {
  test("method, original path with its query, host, and the listed headers", async () => {
    const told = [
      "Authorization: Bearer t",
      "Cookie: a=b",
      "Origin: http://shop.test",
      "Sec-Fetch-Site: same-origin",
      "Accept: text/html",
      "User-Agent: curl",
      "X-Request-Id: abc-1",
    ];
    const line = "DELETE /patients/7?x=1&y=%2F HTTP/1.1";
    await rawRequest(url(), [line, "Host: shop.test", ...told, "X-Other: kept back", "Content-Type: text/plain"]);
    expect(asked()).toMatchObject({ method: "DELETE", path: "/check/patients/7?x=1&y=%2F" });
    for (const [name = "", value] of [["Host", "shop.test"], ...told.map((header) => header.split(": "))]) {
      expect([name, values(asked(), name.toLowerCase())]).toEqual([name, [value]]);
    }
    expect(values(asked(), "x-other")).toEqual([]);
    expect(values(asked(), "content-type")).toEqual([]);
  });

  test("the peer's address, from the connection and not from what a client says", async () => {
    await get(url(), "/", "X-Heauth-Peer: 6.6.6.6", "X-Forwarded-For: 9.9.9.9");
    expect(values(asked(), "x-heauth-peer")).toEqual(["127.0.0.1"]);
    // One entry more than the client sent: Envoy's own, which names the machine where the client is on it too.
    expect(values(asked(), "x-forwarded-for").join()).toMatch(/^9\.9\.9\.9, ?[0-9.]+$/);
    expect(values(served(), "x-heauth-peer")).toEqual([]);
  });

  test("a second Authorization header is there to be seen", async () => {
    await get(url(), "/", "Authorization: Bearer t", "Authorization: Bearer u");
    expect(values(asked(), "authorization").join()).toBe("Bearer t,Bearer u");
  });

  test("a request id that it made where the client gave none, the same for all", async () => {
    const answer = await get(url(), "/");
    const [id] = values(asked(), "x-request-id");
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(values(served(), "x-request-id")).toEqual([id]);
    expect(answer.headers["x-request-id"]).toBe(id);
  });
});

describe("an allowed request", () => {
  test("reaches the app with its body, and the answer the client", async () => {
    const answer = await rawRequest(url(), ["POST /a HTTP/1.1", "Host: h", "Content-Length: 7"], "payload");
    expect(answer).toMatchObject({ status: 200, headers: { "x-app": "yes" } });
    expect(answer.body).toContain("hello from the app");
    expect(served()).toMatchObject({ method: "POST", path: "/a", body: "payload" });
    expect(asked()).toMatchObject({ body: "" });
  });

  test.each(["X-Heauth-Subject", "x-heauth-roles", "X-HEAUTH-ACTION", "x-heauth-", "x-heauth-anything-else"])(
    "loses a forged %s, also when the sidecar sets none",
    async (name) => {
      await get(url(), "/public", `${name}: forged`);
      const forged = ({ headers }: { headers: [string, string][] }) => headers.some(([, value]) => value === "forged");
      expect([rig.authorizer.seen.some(forged), rig.app.seen.some(forged)]).toEqual([false, false]);
      expect(rig.app.seen).toHaveLength(1);
    },
  );

  test("loses what a client might steer Envoy with", async () => {
    await get(
      url(),
      "/",
      "X-Envoy-Upstream-Rq-Timeout-Ms: 1",
      "X-Envoy-Retry-On: 5xx",
      "X-Envoy-Original-Path: /other",
    );
    expect(served()?.headers.filter(([name]) => name.startsWith("x-envoy-"))).toEqual([]);
  });

  test("carries the sidecar's headers in place of the client's, and not the credential that it took away", async () => {
    rig.authorizer.answer = () => ({
      status: 200,
      headers: {
        "x-heauth-subject": "bob",
        "x-shop-user": "bob",
        "x-envoy-auth-headers-to-remove": "authorization,cookie",
        "set-cookie": "a=1",
      },
    });
    const answer = await get(
      url(),
      "/",
      "Authorization: Bearer t",
      "Cookie: session=t",
      "X-Heauth-Subject: alice",
      "X-Shop-User: alice",
    );
    expect(values(served(), "x-heauth-subject")).toEqual(["bob"]);
    expect(values(served(), "x-shop-user")).toEqual(["bob"]);
    expect(values(served(), "authorization")).toEqual([]);
    expect(values(served(), "cookie")).toEqual([]);
    expect(served()?.headers.filter(([name]) => name.startsWith("x-envoy-") || name === "set-cookie")).toEqual([]);
    expect(answer.headers).not.toHaveProperty("x-heauth-subject");
    expect(answer.headers).not.toHaveProperty("set-cookie");
  });

  test("keeps its other cookies when the sidecar takes one of them out", async () => {
    rig.authorizer.answer = () => ({ status: 200, headers: { cookie: "theme=dark" } });
    await get(url(), "/", "Cookie: session=t; theme=dark");
    expect(values(served(), "cookie")).toEqual(["theme=dark"]);
  });

  test("lives no longer than the sidecar says", async () => {
    rig.authorizer.answer = () => ({ status: 200, headers: { "grpc-timeout": "300m" } });
    const { promise, resolve } = Promise.withResolvers<{ status: number }>();
    rig.app.answer = () => promise;
    try {
      expect(await get(url(), "/")).toMatchObject({ status: 504 });
    } finally {
      resolve({ status: 200 });
    }
  });

  test("gets the app's own statuses, even the one that stands for unavailable", async () => {
    rig.app.answer = () => ({ status: 477, body: "the app's" });
    expect(await get(url(), "/")).toMatchObject({ status: 477 });
  });
});

describe("a denied request", () => {
  test.each([400, 401, 403])("gets the sidecar's %d with its body and the listed headers", async (status) => {
    const body = JSON.stringify({ status, code: "NoSession" });
    rig.authorizer.answer = () => ({
      status,
      headers: {
        "www-authenticate": "Bearer",
        "content-type": "application/problem+json",
        "x-heauth-record": "0190/7",
        "x-internal": "kept back",
        "set-cookie": "a=1",
      },
      body,
    });
    const answer = await get(url(), "/");
    expect(answer).toMatchObject({ status, body });
    expect(answer.headers).toMatchObject({
      "www-authenticate": "Bearer",
      "content-type": "application/problem+json",
      "x-heauth-record": "0190/7",
    });
    expect(answer.headers).not.toHaveProperty("x-internal");
    expect(answer.headers).not.toHaveProperty("set-cookie");
    expect(rig.app.seen).toEqual([]);
  });

  test("gets a redirection", async () => {
    rig.authorizer.answer = () => ({ status: 302, headers: { location: "/auth/login" } });
    expect(await get(url(), "/")).toMatchObject({ status: 302, headers: { location: "/auth/login" } });
    expect(rig.app.seen).toEqual([]);
  });

  test("gets 503 with body and Retry-After where the sidecar says 477", async () => {
    const body = JSON.stringify({ status: 503, code: "StoreUnavailable" });
    rig.authorizer.answer = () => ({
      status: 477,
      headers: { "retry-after": "7", "content-type": "application/problem+json", "x-heauth-record": "0190/8" },
      body,
    });
    const answer = await get(url(), "/");
    expect(answer).toMatchObject({ status: 503, body });
    expect(answer.headers).toMatchObject({
      "retry-after": "7",
      "content-type": "application/problem+json",
      "x-heauth-record": "0190/8",
    });
    expect(rig.app.seen).toEqual([]);
  });
});

describe("without the sidecar's answer", () => {
  const unavailable = { status: 503, headers: { "retry-after": "2", "content-type": "application/problem+json" } };

  test("an error of its own gives 503, not its body", async () => {
    rig.authorizer.answer = () => ({ status: 500, body: "stack trace" });
    const answer = await get(url(), "/");
    expect(answer).toMatchObject(unavailable);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: "SidecarUnavailable" });
    expect(rig.app.seen).toEqual([]);
  });

  test("one that does not come in time gives 503", async () => {
    const { promise, resolve } = Promise.withResolvers<{ status: number }>();
    rig.authorizer.answer = () => promise;
    expect(await get(url(), "/")).toMatchObject(unavailable);
    resolve({ status: 200 });
    expect(rig.app.seen).toEqual([]);
  });

  test("a sidecar that is away gives 503, and all is well when it is back", async () => {
    await rig.authorizer.close();
    expect(await get(url(), "/")).toMatchObject(unavailable);
    expect(rig.app.seen).toEqual([]);
    await rig.authorizer.listen();
    expect(await get(url(), "/")).toMatchObject({ status: 200 });
  });
});

describe("paths", () => {
  test.each([
    ["/a/../b", "/b"],
    ["/a/./b", "/a/b"],
    ["/a/%2e%2e/b", "/b"],
    ["/a/%2E%2e/../b", "/b"],
    ["/../../b", "/b"],
    ["//a///b", "/a/b"],
    ["/a\\..\\b", "/b"],
    ["/%61%2Db", "/a-b"],
    ["/a%20b?q=/../c", "/a%20b?q=/../c"],
  ])("%s is %s for the sidecar and for the app", async (sent, meant) => {
    await get(url(), sent);
    expect([asked()?.path, served()?.path]).toEqual([`/check${meant}`, meant]);
  });

  test.each(["/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a%00b", "/a#b", "/ä", "*", "a"])(
    "%s is refused",
    async (sent) => {
      expect(await get(url(), sent)).toMatchObject({ status: 400 });
      expect([rig.authorizer.seen, rig.app.seen]).toEqual([[], []]);
    },
  );
});

describe("requests that are refused before anyone is asked", () => {
  test.each([
    ["a header name with an underscore", ["x_heauth_subject: bob"], 400],
    ["both a length and chunks", ["Transfer-Encoding: chunked", "Content-Length: 3"], 400],
    ["two lengths", ["Content-Length: 3", "Content-Length: 4"], 400],
    ["headers of more than 60 KiB", [`X-Big: ${"x".repeat(61 * 1024)}`], 431],
    ["too many headers", Array.from({ length: 120 }, (_, index) => `X-${index}: 1`), 431],
    ["a WebSocket", ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], 403],
    ["another upgrade", ["Connection: Upgrade", "Upgrade: other"], 403],
  ])("%s", async (_what, headers, status) => {
    expect(await get(url(), "/", ...headers)).toMatchObject({ status });
    expect([rig.authorizer.seen, rig.app.seen]).toEqual([[], []]);
  });

  test("a CONNECT", async () => {
    expect(await rawRequest(url(), ["CONNECT app:80 HTTP/1.1", "Host: app:80"])).toMatchObject({ status: 404 });
    expect(rig.app.seen).toEqual([]);
  });

  test("headers of nearly 60 KiB are not among them", async () => {
    const cookie = `session=${"x".repeat(59 * 1024)}`;
    expect(await get(url(), "/", `Cookie: ${cookie}`)).toMatchObject({ status: 200 });
    expect(values(asked(), "cookie")).toEqual([cookie]);
  });
});
