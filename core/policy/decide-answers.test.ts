import { describe, expect, test } from "@jest/globals";
import type { Evidence, RequestFacts } from "./evidence.ts";
import type { ReasonName } from "./reasons.ts";
import { prepareExample } from "./testing/policy.ts";
import { decide, example, get, goodSession, none, post, verified } from "./testing/requests.ts";

describe("Shadow", () => {
  const shadow = prepareExample({ mode: "Shadow" });

  test.each<[RequestFacts, Evidence, ReasonName]>([
    [get("/patients/1"), none, "NoCredential"],
    [post("/patients"), verified({ session: { roles: [] } }), "RoleMissing"],
    [get("/a%2fb"), none, "AmbiguousPath"],
    [get("/patients/1"), { kind: "Refused", reason: "StoreUnavailable" }, "StoreUnavailable"],
  ])("%j is let through and recorded as what it is", (request, evidence, reason) => {
    const decision = decide(request, evidence, shadow);
    expect(decision).toMatchObject({
      effect: "Allow",
      verdict: "Deny",
      wouldDeny: true,
      status: 200,
      reason,
      record: true,
    });
    expect(decision.redirectTo).toBeUndefined();
  });

  test("what is allowed anyway is just that", () => {
    expect(decide(get("/patients/1"), verified(), shadow)).toMatchObject({ verdict: "Allow", wouldDeny: false });
  });

  test("who is not known is not named, who may not is", () => {
    expect(decide(get("/patients/1"), none, shadow)).toMatchObject({
      setHeaders: {},
      removeHeaders: ["x-heauth-roles", "x-heauth-subject"],
    });
    expect(decide(post("/patients"), verified({ session: { roles: ["nurse"] } }), shadow).setHeaders).toEqual({
      "x-heauth-subject": "user-1",
      "x-heauth-roles": "nurse",
    });
  });

  test("what can't be recorded is denied all the same", () => {
    expect(shadow.refuse(shadow.route(get("/patients/1")), "RecordUnavailable")).toMatchObject({
      effect: "Deny",
      status: 503,
      retryAfter: 2,
    });
  });
});

describe("what the app gets to see", () => {
  const headers = {
    "x-user": "session.subject",
    "x-roles": "session.roles",
    "x-tenant": "session.tenant",
    "x-session": "session.id",
  } as const;

  test("the policy's headers, over whatever the client sent", () => {
    const policy = prepareExample({ upstream: { headers } });
    expect(decide(get("/patients/1"), verified({ session: { roles: ["a", "b"] } }), policy)).toMatchObject({
      setHeaders: { "x-user": "user-1", "x-roles": "a,b", "x-tenant": "acme", "x-session": goodSession.id },
      removeHeaders: [],
    });
    expect(decide(get("/healthz"), none, policy)).toMatchObject({
      setHeaders: {},
      removeHeaders: ["x-roles", "x-session", "x-tenant", "x-user"],
    });
  });

  test("nothing that breaks out of a header, or makes two roles of one", () => {
    const session = { subject: "j\u00fcrgen\r\nx-admin: 1", roles: ["a,admin", "b", "c d", "\ud800"] };
    expect(decide(get("/patients/1"), verified({ session })).setHeaders).toEqual({
      "x-heauth-subject": "j%C3%BCrgen%0D%0Ax-admin%3A%201",
      "x-heauth-roles": "a%2Cadmin,b,c%20d,%EF%BF%BD",
    });
  });

  test("an empty value is removed, not set", () => {
    expect(decide(get("/patients/1"), verified({ session: { roles: [] } }))).toMatchObject({
      setHeaders: { "x-heauth-subject": "user-1" },
      removeHeaders: ["x-heauth-roles"],
    });
  });

  test("the token only where the policy forwards it, and never one that is good for identity", () => {
    const policy = prepareExample({ upstream: { forwardCredentials: true } }, { limits: { forwardCredentials: true } });
    const forApp = verified({ token: { aud: ["shop"] } });
    const inCookie = verified({ token: { aud: ["shop"] }, source: "Cookie" });
    expect(decide(get("/patients/1"), forApp, policy).forwardCredential).toBe("AuthorizationHeader");
    expect(decide(get("/patients/1"), inCookie, policy).forwardCredential).toBe("Cookie");
    expect(decide(get("/patients/1"), verified(), policy)).not.toHaveProperty("forwardCredential");
    expect(decide(get("/healthz"), forApp, policy)).not.toHaveProperty("forwardCredential");
    expect(decide(get("/patients/1"), forApp)).not.toHaveProperty("forwardCredential");
  });
});

describe("records and answers", () => {
  test("allowed requests of Public rules are recorded only where the policy says so; denied ones always", () => {
    expect(decide(get("/healthz"), none)).toMatchObject({ effect: "Allow", record: false });
    const recording = prepareExample({ audit: { publicRequests: "Record" } });
    expect(decide(get("/healthz"), none, recording)).toMatchObject({ effect: "Allow", record: true });
    expect(decide(get("/healthz", { upgrade: "x" }), none)).toMatchObject({ effect: "Deny", record: true });
  });

  test("durability is the rule's, else the policy's", () => {
    expect(decide(post("/patients"), verified())).toMatchObject({
      durability: "Database",
      maxRequestDurationMs: 3_600_000,
    });
    expect(decide(get("/patients/1"), verified()).durability).toBe("Local");
    expect(decide(get("/a%2fb"), none).durability).toBe("Local");
  });

  test("a browser that navigates is sent to log in; anything else gets the 401", () => {
    const navigation = { secFetchMode: "navigate" };
    expect(decide(get("/patients/1", navigation), none).redirectTo).toBe("/auth/login");
    expect(decide(get("/patients/1"), none).redirectTo).toBeUndefined();
    expect(decide(post("/patients/1", navigation), none).redirectTo).toBeUndefined();
    expect(decide(get("/other", navigation), verified()).redirectTo).toBeUndefined();
    const malformed: Evidence = { kind: "Refused", reason: "MalformedCredential" };
    expect(decide(get("/patients/1", navigation), malformed).redirectTo).toBeUndefined();
  });

  test("our own fault comes with Retry-After, in whole seconds", () => {
    const unavailable: Evidence = { kind: "Refused", reason: "StoreUnavailable" };
    expect(decide(get("/patients/1"), unavailable)).toMatchObject({ status: 503, retryAfter: 2 });
    const policy = prepareExample({ responses: { unavailable: { retryAfter: "1500ms" } } });
    expect(decide(get("/patients/1"), unavailable, policy).retryAfter).toBe(2);
    expect(decide(get("/patients/1"), none).retryAfter).toBeUndefined();
  });

  test("refuse names the rule and nothing of the session", () => {
    const refused = example.refuse(example.route(post("/patients")), "Overloaded");
    expect(refused).toMatchObject({
      effect: "Deny",
      verdict: "Deny",
      rule: "write-patient",
      action: "patient.write",
      setHeaders: {},
    });
    expect(refused).not.toHaveProperty("forwardCredential");
  });
});
