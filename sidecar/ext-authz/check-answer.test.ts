import { type Decision, type ReasonName, reasons } from "@heauth/core/policy";
import { ACCESS_COOKIE, REFRESH_COOKIE } from "@heauth/core/tokens";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { allowed, denied, startAsked } from "./testing.ts";

let asked: Awaited<ReturnType<typeof startAsked>>;
let decision: Decision;
let record: string | undefined;

beforeEach(async () => {
  record = "01930000-0000-7000-8000-000000000001/7";
  asked = await startAsked(async () => ({ decision, ...(record === undefined ? {} : { record }) }));
});
afterEach(() => asked.end());

/** The names that Envoy is told to take away. */
async function removed(headers: string[]): Promise<string[]> {
  const { headers: told } = await asked.ask({ headers });
  return String(told["x-envoy-auth-headers-to-remove"] ?? "")
    .split(",")
    .filter((name) => name !== "");
}

describe("an allowed request", () => {
  test("goes on with the policy's headers, without what the policy takes away, and without credential", async () => {
    decision = { ...allowed, setHeaders: { "x-user": "ada" }, removeHeaders: ["x-roles", "x-tenant"] };
    const { status, headers, body } = await asked.ask({ headers: ["authorization", "Bearer t"] });
    expect(status).toBe(200);
    expect(body).toBe("");
    expect(headers["x-user"]).toBe("ada");
    expect(headers["x-envoy-auth-headers-to-remove"]).toBe("x-roles,x-tenant,authorization,cookie");
  });

  test("keeps its credential where the policy forwards it", async () => {
    decision = { ...allowed, forwardCredential: "AuthorizationHeader" };
    expect(await removed(["authorization", "Bearer t", "cookie", "a=b"])).toEqual([]);
  });

  test("keeps nothing that could pass for the verified credential", async () => {
    const sent = ["authorization", "Bearer t", "cookie", `a=b; ${ACCESS_COOKIE}=u`];
    decision = { ...allowed, forwardCredential: "AuthorizationHeader" };
    expect(await removed(sent)).toEqual([]);
    expect((await asked.ask({ headers: sent })).headers["cookie"]).toBe("a=b");
    decision = { ...allowed, forwardCredential: "Cookie" };
    expect(await removed(sent)).toEqual(["authorization"]);
    expect((await asked.ask({ headers: sent })).headers["cookie"]).toBeUndefined();
  });

  test.each<[sent: string, on: string | undefined, forwarded: string | undefined]>([
    [`a=1; ${ACCESS_COOKIE}=t; b=2`, "a=1; b=2", undefined],
    [`a=1; ${REFRESH_COOKIE}=t; ${ACCESS_COOKIE}=t`, "a=1", `a=1; ${ACCESS_COOKIE}=t`],
    [`${ACCESS_COOKIE}=t;a="q;r"; b=%20;c=\u00a0`, 'a="q;r"; b=%20;c=\u00a0', undefined],
    [`\t${ACCESS_COOKIE} =t ; ${ACCESS_COOKIE}=u;a=1`, "a=1", undefined],
    [`a=${ACCESS_COOKIE}`, undefined, undefined],
    [`x${ACCESS_COOKIE}=1; ${ACCESS_COOKIE}x=2; ${ACCESS_COOKIE.toLowerCase()}=3`, undefined, undefined],
  ])("of %p the app gets its own cookies, byte for byte", async (sent, on, forwarded) => {
    const cookie = async () => (await asked.ask({ headers: ["cookie", sent] })).headers["cookie"];
    decision = allowed;
    expect(await cookie()).toBe(on);
    expect(await removed(["cookie", sent])).not.toContain("cookie");
    decision = { ...allowed, forwardCredential: "Cookie" };
    expect(await cookie()).toBe(forwarded);
  });

  test.each([`${ACCESS_COOKIE}=t`, `${REFRESH_COOKIE}=t; ${ACCESS_COOKIE}=u;`])("of %p it gets none", async (sent) => {
    decision = allowed;
    expect(await removed(["cookie", sent])).toContain("cookie");
    const { headers } = await asked.ask({ headers: ["cookie", sent] });
    expect(headers["cookie"]).toBeUndefined();
  });

  test("never takes a refresh token along, forwarded or not", async () => {
    decision = { ...allowed, forwardCredential: "Cookie" };
    expect(await removed(["cookie", `${REFRESH_COOKIE}=t`])).toEqual(["authorization", "cookie"]);
  });

  test.each([
    [undefined, undefined],
    [1, "1m"],
    [90_000, "90000m"],
    [99_999_999, "99999999m"],
    [100_000_000, "100000S"],
    [604_800_001, "604801S"],
  ])("may take %p ms", async (maxRequestDurationMs, timeout) => {
    decision = maxRequestDurationMs === undefined ? allowed : { ...allowed, maxRequestDurationMs };
    expect((await asked.ask()).headers["grpc-timeout"]).toBe(timeout);
  });

  test("is not told of its record", async () => {
    decision = allowed;
    expect((await asked.ask()).headers["x-heauth-record"]).toBeUndefined();
  });
});

describe("a denied request", () => {
  test("hears that no session was good, and under which record that stands", async () => {
    decision = denied({ status: 401, reason: "BadSignature" });
    const { status, headers, body } = await asked.ask();
    expect(status).toBe(401);
    expect(headers).toMatchObject({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "www-authenticate": 'Bearer realm="heauth"',
      "x-heauth-record": record,
    });
    expect(JSON.parse(body)).toEqual({
      type: "https://heauth.io/problems/Unauthenticated",
      title: "Unauthorized",
      status: 401,
      code: "Unauthenticated",
      detail: "A valid session is needed.",
      instance: `urn:heauth:record:${record}`,
    });
  });

  test("tells a forger nothing: every refusal of a token or session looks the same", async () => {
    const seen = new Set<string>();
    for (const [name, { status }] of Object.entries(reasons)) {
      if (status !== 401) continue;
      decision = denied({ status, reason: name as ReasonName });
      const { headers, body } = await asked.ask();
      const { date: _, ...told } = headers;
      seen.add(JSON.stringify(told) + body);
    }
    expect(seen.size).toBe(1);
  });

  test.each([
    [400, "DuplicateCredential", "Bad request"],
    [403, "RoleMissing", "Forbidden"],
  ] as const)("%d: %s", async (status, reason, title) => {
    decision = denied({ status, reason });
    const told = await asked.ask();
    expect(told.status).toBe(status);
    expect(told.headers["www-authenticate"]).toBeUndefined();
    expect(told.headers["retry-after"]).toBeUndefined();
    expect(JSON.parse(told.body)).toMatchObject({ title, status, code: reasons[reason].code });
  });

  test("503 goes in a disguise that Envoy lets through, with Retry-After", async () => {
    record = undefined;
    decision = denied({ status: 503, reason: "RecordUnavailable", retryAfter: 7 });
    const { status, headers, body } = await asked.ask();
    expect(status).toBe(477);
    expect(headers["retry-after"]).toBe("7");
    expect(headers["x-heauth-record"]).toBeUndefined();
    expect(JSON.parse(body)).toEqual({
      type: "https://heauth.io/problems/Unavailable",
      title: "Service unavailable",
      status: 503,
      code: "Unavailable",
      detail: "The request can't be accounted for right now. Try again.",
    });
  });

  test("of a browser is sent to log in", async () => {
    decision = denied({ status: 401, reason: "NoCredential", redirectTo: "/auth/login" });
    const { status, headers, body } = await asked.ask();
    expect({ status, body }).toEqual({ status: 302, body: "" });
    expect(headers).toMatchObject({
      location: "/auth/login",
      "cache-control": "no-store",
      "x-heauth-record": record,
    });
  });
});
