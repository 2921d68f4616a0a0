import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { PASSWORD, type TestIdentity, type Tokens, testIdentity } from "../testing/test-identity.ts";

let home: TestIdentity;
let tokens: Tokens;
let port: number;

beforeAll(async () => {
  home = await testIdentity({ trustedHops: 1 });
  await home.admin(await home.tenant("acme"));
  tokens = await home.logIn({ id: "", name: "acme" }, "admin@example.org");
  await home.identity.app.listen({ host: "127.0.0.1", port: 0 });
  port = (home.identity.app.server.address() as AddressInfo).port;
});
afterAll(() => home?.stop());

/** Sends bytes as they are, and gives what came until the server closed, or half a second passed without any more after the first. */
async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<void>();
  let answer = "";
  socket.setTimeout(25_000, resolve);
  socket.on("data", (data) => {
    socket.setTimeout(500);
    answer += data.toString("latin1");
  });
  socket.on("error", () => resolve()).on("close", () => resolve());
  socket.write(bytes);
  await promise;
  socket.destroy();
  return answer;
}
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.map((each) => `${each}\r\n`).join("")}\r\n`;

describe("over a real socket", () => {
  test("a whole login, as a client does it", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/auth`, {
      method: "POST",
      headers: { "content-type": "application/json; charset=utf-8", "x-forwarded-for": "192.0.2.77, 198.51.100.8" },
      body: JSON.stringify({ tenant: "acme", login: "admin@example.org", password: PASSWORD }),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.getSetCookie()).toHaveLength(2);
    const { accessToken } = (await answer.json()) as Tokens;
    const { sid } = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
    // One proxy is trusted: the address that it saw, and nothing that the client wrote before it.
    const [row] = await home.db.superuser.query("SELECT peer FROM session WHERE id = $1", [sid]);
    expect(row).toEqual({ peer: "198.51.100.8" });
  });

  test.each<[string, () => string | Buffer, number, string]>([
    [
      "two Authorization headers",
      () => get("/user", `Authorization: Bearer ${tokens.accessToken}`, `Authorization: Bearer ${tokens.accessToken}`),
      400,
      "DuplicateCredential",
    ],
    [
      "header and cookie",
      () =>
        get(
          "/user",
          `Authorization: Bearer ${tokens.accessToken}`,
          `Cookie: __Host-heauth-access=${tokens.accessToken}`,
        ),
      400,
      "DuplicateCredential",
    ],
    [
      "the cookie in two headers",
      () => get("/user", "Cookie: __Host-heauth-access=a", "Cookie: __Host-heauth-access=b"),
      400,
      "DuplicateCredential",
    ],
    [
      "a token that is too long",
      () => get("/user", `Authorization: Bearer ${"a".repeat(8193)}`),
      400,
      "OversizeCredential",
    ],
    ["a NUL byte in a header", () => get("/user", "Authorization: Bearer a\0b"), 400, "InvalidRequest"],
    [
      "a high byte in a token",
      () => Buffer.from(get("/user", "Authorization: Bearer a\xffb"), "latin1"),
      400,
      "MalformedCredential",
    ],
    ["two request ids", () => get("/user", "X-Request-Id: a", "X-Request-Id: b"), 400, "InvalidRequestId"],
    ["a head that is too long", () => get("/user", `X-Long: ${"a".repeat(20_000)}`), 400, "InvalidRequest"],
    ["no HTTP at all", () => "hello\r\n\r\n", 400, "InvalidRequest"],
    ["TLS", () => Buffer.from("16030100a5010000a10303", "hex"), 400, "InvalidRequest"],
    ["a broken percent encoding", () => get("/user/%zz"), 400, "InvalidRequest"],
    ["dot segments", () => get("/x/../user"), 404, "NotFound"],
    ["encoded dot segments", () => get("/x/%2e%2e/user"), 404, "NotFound"],
    ["an encoded slash", () => get("/auth%2fopenapi.json"), 404, "NotFound"],
    ["a NUL byte in the path", () => get("/user/%00"), 404, "NotFound"],
    [
      "both lengths of a body",
      () => "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
      400,
      "InvalidRequest",
    ],
    [
      "two lengths of a body",
      () => "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
      400,
      "InvalidRequest",
    ],
    ["no Host", () => "GET /user HTTP/1.1\r\n\r\n", 400, "InvalidRequest"],
  ])("%s", async (_, make, status, code) => {
    const answer = await raw(make());
    expect(statusOf(answer)).toBe(status);
    if (answer.includes("application/problem+json")) expect(answer).toContain(`"code":"${code}"`);
    expect(statusOf(await raw(get("/healthz")))).toBe(200);
  });
});

describe("X-Request-Id", () => {
  test("is given back, also with an error, and generated where there is none", async () => {
    for (const url of ["/healthz", "/nowhere", "/user"]) {
      const given = await home.ask({ method: "GET", url, headers: { "x-request-id": "abc-123" } });
      expect(given.headers["x-request-id"]).toBe("abc-123");
      const made = await home.ask({ method: "GET", url });
      expect(made.headers["x-request-id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    }
  });

  test.each([" ", "ä", "a b", "x".repeat(129)])("%j is refused", async (id) => {
    const answer = await home.ask({ method: "GET", url: "/user", headers: { "x-request-id": id } });
    expect([answer.statusCode, answer.json().code]).toEqual([400, "InvalidRequestId"]);
    expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("is in every log line of the request", async () => {
    home.lines.length = 0;
    await home.ask({ url: "/auth/verify", json: { token: tokens.accessToken }, headers: { "x-request-id": "log-1" } });
    const lines = home.lines.map((line) => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every(({ requestId }) => requestId === "log-1")).toBe(true);
  });

  test("can be required, but not of probes", async () => {
    const strict = await testIdentity({ requestIds: "Required" });
    try {
      const answer = await strict.ask({ method: "GET", url: "/user" });
      expect([answer.statusCode, answer.json().code]).toEqual([400, "RequestIdMissing"]);
      for (const url of ["/healthz", "/readyz", "/metrics"]) {
        expect((await strict.ask({ method: "GET", url })).statusCode).toBe(200);
      }
    } finally {
      await strict.stop();
    }
  });
});

test("every answer carries the security headers, and none allows another origin", async () => {
  for (const [method, url] of [
    ["GET", "/healthz"],
    ["GET", "/nowhere"],
    ["POST", "/auth"],
    ["GET", "/auth/openapi.json"],
    ["OPTIONS", "/auth"],
  ] as const) {
    const { headers } = await home.ask({ method, url, headers: { origin: "https://other.example" } });
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "strict-transport-security": expect.stringContaining("max-age="),
    });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  }
});

test("the OpenAPI document, health and metrics are served", async () => {
  const document = await home.ask({ method: "GET", url: "/auth/openapi.json" });
  expect([document.statusCode, document.json().openapi]).toEqual([200, "3.1.0"]);
  const ready = await home.ask({ method: "GET", url: "/readyz" });
  expect([ready.statusCode, ready.json()]).toEqual([200, { ok: true, problems: {} }]);
  const metrics = (await home.ask({ method: "GET", url: "/metrics" })).body;
  expect(metrics).toMatch(/heauth_logins_total\{outcome="ok"\} [1-9]/);
  expect(metrics).toMatch(/heauth_http_requests_total\{route="POST:\/auth",status="2xx"\} [1-9]/);
});

test("neither logs nor answers hold a secret or a person", async () => {
  const email = "secret.person@example.org";
  const token = tokens.accessToken;
  const { accessToken, refreshToken } = await (async () => {
    await home.ask({ url: "/user", token, json: { login: "secret.person", email, password: PASSWORD } });
    return home.logIn({ id: "", name: "acme" }, email);
  })();
  await home.ask({ url: "/auth", json: { tenant: "acme", login: email, password: "a wrong password" } });
  await home.ask({ method: "DELETE", url: "/user/secret.person", token });
  await home.ask({ url: "/auth/refresh", json: { refreshToken } });
  await home.ask({ method: "GET", url: `/user?q=${encodeURIComponent(email)}`, token });
  const text = home.lines.join("");
  for (const secret of [
    PASSWORD,
    "wrong password",
    email,
    "secret.person",
    accessToken,
    refreshToken,
    accessToken.split(".")[2],
    token,
  ]) {
    expect(text).not.toContain(secret);
  }
});
