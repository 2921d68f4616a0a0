import { describe, expect, test } from "@jest/globals";
import type { Evidence, RequestFacts } from "./evidence.ts";
import { type ReasonName, reasons } from "./reasons.ts";
import { prepareExample } from "./testing/policy.ts";
import { decide, example, get, none, now, nowMs, post, verified } from "./testing/requests.ts";

describe("the credential, on a rule that needs one", () => {
  const closed = (closeReason?: string) => verified({ session: { status: "Closed", closeReason } });

  test.each<[string, Evidence, ReasonName | undefined]>([
    ["good", verified(), undefined],
    ["none", none, "NoCredential"],
    ...(
      [
        "MalformedCredential",
        "DuplicateCredential",
        "OversizeCredential",
        "MalformedToken",
        "WrongType",
        "WrongAlgorithm",
        "BadTag",
        "UnknownSession",
        "BadStatement",
        "BadSignature",
        "StoreUnavailable",
        "Overloaded",
      ] as const
    ).map((reason): [string, Evidence, ReasonName] => [`refused: ${reason}`, { kind: "Refused", reason }, reason]),
    ["expired, within the skew", verified({ token: { exp: now - 29 } }), undefined],
    ["expired", verified({ token: { exp: now - 30 } }), "TokenExpired"],
    ["not yet valid, within the skew", verified({ token: { nbf: now + 30 } }), undefined],
    ["not yet valid", verified({ token: { nbf: now + 31 } }), "TokenNotYetValid"],
    ["of another issuer", verified({ token: { iss: "https://other.example" } }), "WrongIssuer"],
    ["of another tenant", verified({ token: { tenant: "other" } }), "WrongTenant"],
    ["for another audience", verified({ token: { aud: ["lab", "heauth"] } }), "WrongAudience"],
    ["for identity only", verified({ token: { aud: ["heauth"] } }), "WrongAudience"],
    ["of another tenant's session", verified({ session: { tenant: "other" } }), "WrongTenant"],
    ["of a session that was closed", closed("Logout"), "SessionClosed"],
    ["of a session that was closed, nobody says why", closed(), "SessionClosed"],
    ["of a session that idled out", closed("SessionIdle"), "SessionIdle"],
    ["of a session that ran out", closed("SessionExpired"), "SessionExpired"],
    [
      "expired, of a closed session",
      verified({ token: { exp: now - 60 }, session: { status: "Closed", closeReason: "Logout" } }),
      "TokenExpired",
    ],
    ["of a closed session, known long ago", verified({ session: { status: "Closed", ageMs: 1e9 } }), "SessionClosed"],
    ["idle", verified({ session: { idleMs: 1_800_000 } }), "SessionIdle"],
    ["idle, by an old state", verified({ session: { idleMs: 1_800_000, ageMs: 2000 } }), "StoreUnavailable"],
    ["over its absolute time", verified({ session: { expiresAtMs: nowMs } }), "SessionExpired"],
    [
      "over its absolute time, by an old state",
      verified({ session: { expiresAtMs: nowMs, ageMs: 1e9 } }),
      "SessionExpired",
    ],
    ["as old as may be", verified({ session: { ageMs: 30_000 } }), undefined],
    ["older than may be", verified({ session: { ageMs: 30_001 } }), "StoreUnavailable"],
  ])("%s", (_, evidence, reason) => {
    const decision = decide(get("/patients/1"), evidence);
    expect(decision.reason).toBe(reason);
    expect(decision).toMatchObject(
      reason === undefined
        ? { effect: "Allow", verdict: "Allow", status: 200, rule: "read-patient", action: "patient.read", record: true }
        : { effect: "Deny", verdict: "Deny", status: reasons[reason].status, record: true, setHeaders: {} },
    );
  });

  test("stale from revalidateAfter on", () => {
    expect(decide(get("/patients/1"), verified({ session: { ageMs: 1000 } })).stale).toBe(false);
    expect(decide(get("/patients/1"), verified({ session: { ageMs: 1001 } })).stale).toBe(true);
  });

  test("a source that the policy does not accept is none", () => {
    const policy = prepareExample({ authentication: { credentials: ["AuthorizationHeader"] } });
    expect(decide(get("/patients/1"), verified({ source: "Cookie" }), policy).reason).toBe("NoCredential");
  });
});

describe("rules", () => {
  test.each<[RequestFacts, Evidence, string | undefined, ReasonName | undefined]>([
    [get("/healthz"), none, "health", undefined],
    [get("/healthz?x=1"), none, "health", undefined],
    [get("//healthz"), none, "health", undefined],
    [get("/x/../healthz"), none, "health", undefined],
    [get("/healthz/"), none, undefined, "NoCredential"],
    [post("/healthz"), none, undefined, "NoCredential"],
    [get("/HEALTHZ"), verified(), undefined, "NoRule"],
    [get("/patients"), verified(), "read-patient", undefined],
    [get("/patients/"), verified(), "read-patient", undefined],
    [get("/p%61tients/7"), verified(), "read-patient", undefined],
    [get("/patientsx"), verified(), undefined, "NoRule"],
    [get("/other"), verified(), undefined, "NoRule"],
    [get("/other"), none, undefined, "NoCredential"],
    [post("/patients"), verified(), "write-patient", undefined],
    [post("/patients"), verified({ session: { roles: [] } }), "write-patient", "RoleMissing"],
    [post("/patients"), verified({ session: { roles: ["Doctor", "doctors"] } }), "write-patient", "RoleMissing"],
    [{ method: "DELETE", target: "/patients/1" }, verified(), "write-patient", "ConditionFalse"],
    [
      { method: "DELETE", target: "/patients/1" },
      verified({ session: { roles: ["admin"] } }),
      "write-patient",
      undefined,
    ],
    [{ method: "get", target: "/patients/1" }, verified({ session: { roles: [] } }), "write-patient", "RoleMissing"],
    [get("/patients/..%2f..%2fetc"), verified(), undefined, "AmbiguousPath"],
    [get("/patients/%252e%252e/x"), verified(), undefined, "AmbiguousPath"],
    [get("/patients#x"), none, undefined, "AmbiguousPath"],
    [get("/patients/1", { upgrade: "websocket" }), verified(), "read-patient", "UpgradeDenied"],
    [get("/patients/1", { upgrade: "websocket" }), none, "read-patient", "NoCredential"],
    [get("/healthz", { upgrade: "websocket" }), none, "health", "UpgradeDenied"],
  ])("%j", (request, evidence, rule, reason) => {
    const decision = decide(request, evidence);
    expect([decision.rule, decision.reason]).toEqual([rule, reason]);
  });

  test("an ambiguous path is refused before the credential is looked at", () => {
    expect(example.route(get("/a%2fb"))).toMatchObject({ target: undefined, needsCredential: false });
    expect(decide(get("/a%2fb"), { kind: "Refused", reason: "BadSignature" })).toMatchObject({
      status: 400,
      record: true,
    });
  });

  test("a Public rule asks for no credential, and looks at none", () => {
    expect(example.route(get("/healthz")).needsCredential).toBe(false);
    expect(example.route(get("/patients")).needsCredential).toBe(true);
    expect(example.route(get("/nowhere")).needsCredential).toBe(true);
    expect(decide(get("/healthz"), { kind: "Refused", reason: "BadSignature" }).effect).toBe("Allow");
  });

  test("the first match wins, and an encoded spelling is no way around it", () => {
    const match = (value: string) => [{ path: { value } }];
    const policy = prepareExample({
      rules: [
        { name: "admin", match: match("/a!/x"), access: "Roles", roles: ["admin"] },
        { name: "all", match: match("/"), access: "Authenticated" },
      ],
    });
    for (const target of ["/a!/x", "/a%21/x", "/%61%21/%78/y", "/b/../a!//x/"]) {
      expect([target, decide(get(target), verified(), policy).reason]).toEqual([target, "RoleMissing"]);
    }
    expect(decide(get("/a!/xy"), verified(), policy).rule).toBe("all");
  });

  test("a parameter is no way around a rule, nor into one", () => {
    const around = ["/patients;x", "/patients;x/1", "/patients%3bx/1", "/;/patients", "/x;/../patients;y"];
    const into = ["/healthz;x", "/healthz;"];
    for (const target of [...around, ...into]) {
      expect([target, decide(get(target), verified()).reason]).toEqual([target, "AmbiguousPath"]);
    }
    expect(decide(get("/patients/1;lat=50;lon=8/x;y"), verified()).rule).toBe("read-patient");
    expect(decide(get("/nowhere;x"), verified()).reason).toBe("NoRule");
  });

  test("a prefix with a slash at its end is for the path without it too", () => {
    const policy = prepareExample({ rules: [{ name: "r", match: [{ path: { value: "/a/" } }], access: "Public" }] });
    expect(["/a", "/a/", "/a/b", "/ab"].map((target) => policy.route(get(target)).rule?.name)).toEqual([
      "r",
      "r",
      "r",
      undefined,
    ]);
  });

  test("an error in a condition is a denial of its own", () => {
    const rule = { name: "r", match: [{}], access: "Authenticated" as const, when: "request.query['x'] == ['1']" };
    const policy = prepareExample({ rules: [rule] });
    expect(decide(get("/?x=1"), verified(), policy).effect).toBe("Allow");
    expect(decide(get("/?x=2"), verified(), policy).reason).toBe("ConditionFalse");
    expect(decide(get("/"), verified(), policy)).toMatchObject({ reason: "ConditionError", status: 403 });
  });

  test("defaultAction: Authenticated lets any session in where no rule matches", () => {
    const policy = prepareExample({ defaultAction: "Authenticated" });
    const allowed = decide(get("/other"), verified({ session: { roles: [] } }), policy);
    expect(allowed).toMatchObject({ effect: "Allow", record: true, durability: "Local" });
    expect(allowed.rule).toBeUndefined();
    expect(decide(get("/other"), none, policy).reason).toBe("NoCredential");
    expect(decide(get("/other", { upgrade: "h2c" }), verified(), policy).reason).toBe("UpgradeDenied");
  });
});

describe("a cookie", () => {
  const cookie = verified({ source: "Cookie" });
  const host = "shop.example";
  test.each<[RequestFacts, boolean]>([
    [get("/patients/1"), true],
    [get("/patients/1", { host, secFetchSite: "cross-site" }), true],
    [post("/patients", { host }), false],
    [post("/patients", { host, secFetchSite: "same-origin" }), true],
    [post("/patients", { host, secFetchSite: "same-site" }), false],
    [post("/patients", { host, secFetchSite: "cross-site" }), false],
    [post("/patients", { host, secFetchSite: "none" }), false],
    [post("/patients", { host, origin: "https://shop.example" }), true],
    [post("/patients", { host: "shop.example:443", origin: "https://shop.example" }), true],
    [post("/patients", { host: "SHOP.example", origin: "https://shop.example" }), true],
    [post("/patients", { host: "shop.example:8443", origin: "https://shop.example:8443" }), true],
    [post("/patients", { host: "shop.example:8443", origin: "https://shop.example" }), false],
    [post("/patients", { host, origin: "https://evil.example" }), false],
    [post("/patients", { host, origin: "https://shop.example.evil.example" }), false],
    [post("/patients", { host, origin: "null" }), false],
    [post("/patients", { host, origin: "" }), false],
    [post("/patients", { host, origin: "shop.example" }), false],
    [post("/patients", { host: "", origin: "https://" }), false],
    [post("/patients", { origin: "https://shop.example" }), false],
    [post("/patients", { host, origin: "https://evil.example", secFetchSite: "same-origin" }), false],
    [post("/patients", { host, origin: "https://shop.example", secFetchSite: "cross-site" }), false],
  ])("%j: %s", (request, own) => {
    expect(decide(request, cookie)).toMatchObject(own ? { effect: "Allow" } : { reason: "CrossSite", status: 403 });
    expect(decide(request, verified()).effect).toBe("Allow");
  });

  test("opening a WebSocket with GET is a change too", () => {
    const request = get("/patients/1", { upgrade: "websocket", host, origin: "https://evil.example" });
    expect(decide(request, cookie).reason).toBe("CrossSite");
  });
});
