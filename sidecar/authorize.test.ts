import { parsePrivatePart } from "@heauth/core/ledger";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { CheckRequest, RecordSink } from "./authorize.ts";
import { createAuthorize } from "./authorize.ts";
import { createDecisionMetrics } from "./decision-metrics.ts";
import { SidecarError, type SidecarErrorCode } from "./errors.ts";
import type { Journal } from "./shipper/index.ts";
import { JournalRig, smallLimits } from "./shipper/testing/journal-rig.ts";
import type { PolicyParts } from "./testing/policy.ts";
import { bearer, get, Requests } from "./testing/requests.ts";

let it: Requests;
let rig: JournalRig;
let journal: Journal;

beforeEach(async () => {
  it = new Requests();
  it.cache.listener.begin(it.hub.tenant, true);
  rig = await JournalRig.make();
  journal = await rig.start(smallLimits, { clock: it.clock });
});
afterEach(() => rig.end());

/** Asks, then tells what came of it: the answer, and the records and private parts that the hub was sent. */
async function ask(request: CheckRequest, policy: Omit<PolicyParts, "tenantId"> = {}) {
  const answer = await it.authorize(journal, policy)(request);
  await rig.stop(journal);
  const [shipped] = rig.hub.journals.values();
  const records = shipped?.records.filter(({ type }) => type === "decision") ?? [];
  const parts = [...(shipped?.privates.values() ?? [])].map(parsePrivatePart);
  return { answer, records, record: records[0], part: parts[0] };
}

const clerk = () => {
  const session = it.hub.open();
  it.hub.change(session, { roles: ["clerk"] });
  return session;
};

describe("a record tells", () => {
  test("what was allowed to whom, by which policy, and what of it is personal stands apart", async () => {
    const session = clerk();
    const policy = it.policy();
    const { answer, records, record, part } = await ask(
      get("/orders/4711?full=1", { method: "POST", credentials: bearer(it.token(session)) }),
    );
    expect(answer.decision).toMatchObject({ effect: "Allow", status: 200 });
    expect(records).toHaveLength(1);
    expect(answer.record).toBe(record?.id);
    expect(record).toEqual({
      v: 1,
      id: expect.stringMatching(/\/1$/),
      type: "decision",
      at: it.clock.wallMicros(),
      tenant: expect.any(String),
      session,
      request: "request-1",
      rule: "write",
      action: "order.write",
      decision: "Allow",
      policy: policy.digest,
      pod: "shop/web-1",
      source: "sidecar",
      private: expect.any(String),
    });
    expect(part).toEqual({
      method: "POST",
      path: "/orders/4711",
      query: "full=1",
      host: "shop.test",
      peer: "192.0.2.1",
      userAgent: "curl/8",
    });
  });

  test("what was denied, and why", async () => {
    const session = it.hub.open();
    const { answer, record } = await ask(
      get("/orders/1", { method: "DELETE", credentials: bearer(it.token(session)) }),
    );
    expect(answer).toMatchObject({ record: record?.id, decision: { effect: "Deny", status: 403 } });
    expect(record).toMatchObject({ session, decision: "Deny", reason: "RoleMissing", rule: "write" });
    expect(record).not.toHaveProperty("shadow");
  });

  test("no session where none is proven, but that of a forged token", async () => {
    const session = it.hub.open();
    const other = it.hub.open();
    const forged = it.token(session).split(".").slice(0, 2).concat(it.token(other).split(".").slice(2)).join(".");
    expect((await ask(get("/orders", { credentials: bearer(forged) }))).record).toMatchObject({
      session,
      reason: "BadSignature",
    });
  });

  test("nothing of a session that does not exist", async () => {
    const session = it.hub.open();
    const token = it.token(session);
    it.hub.answers.delete(session);
    const { record } = await ask(get("/orders", { credentials: bearer(token) }));
    expect(record).toMatchObject({ decision: "Deny", reason: "UnknownSession" });
    expect(record).not.toHaveProperty("session");
  });

  test("that a denial was not enforced", async () => {
    const { answer, record } = await ask(get("/orders"), { spec: { mode: "Shadow" } });
    expect(answer.decision).toMatchObject({ effect: "Allow", wouldDeny: true });
    expect(record).toMatchObject({ decision: "Deny", reason: "NoCredential", shadow: true });
  });

  test("that the session's state was older than it should have been", async () => {
    const session = it.hub.open();
    const request = get("/orders", { credentials: bearer(it.token(session)) });
    await it.authorize(journal)(request);
    it.clock.pass(5_000);
    it.hub.mode = "fails";
    const { answer, records } = await ask(request);
    expect(answer.decision).toMatchObject({ effect: "Allow", stale: true });
    expect(records.map(({ stale }) => stale)).toEqual([undefined, true]);
  });

  test("the path as it came where it can be read in two ways", async () => {
    const { answer, record, part } = await ask(get("/orders%2f1"));
    expect(answer.decision.status).toBe(400);
    expect(record).toMatchObject({ decision: "Deny", reason: "AmbiguousPath" });
    expect(part?.path).toBe("/orders%2f1");
  });

  test("whom the trusted proxies saw", async () => {
    const { part } = await ask(get("/orders", { forwardedFor: "203.0.113.9, 198.51.100.7, 192.0.2.1" }), {
      spec: { upstream: { trustedHops: 1 } },
    });
    expect(part?.peer).toBe("198.51.100.7");
  });

  test.each([undefined, "", "with space", "x".repeat(129), "bad\u00e9"])("no request id %p", async (requestId) => {
    expect((await ask(get("/orders", { requestId }))).record).not.toHaveProperty("request");
  });
});

describe("allowed requests of a public rule", () => {
  test("leave no record under publicRequests: Skip", async () => {
    const { answer, records } = await ask(get("/healthz"));
    expect(answer).toEqual({ decision: expect.objectContaining({ effect: "Allow", rule: "health" }) });
    expect(records).toEqual([]);
    expect(await it.metrics.text()).toContain("heauth_passthrough_total 1");
  });

  test("leave one under Record, and their credential is not even looked at", async () => {
    const session = it.hub.open();
    const { record } = await ask(get("/healthz", { credentials: bearer(it.token(session)) }), {
      spec: { audit: { publicRequests: "Record" } },
    });
    expect(record).toMatchObject({ decision: "Allow", rule: "health" });
    expect(record).not.toHaveProperty("session");
    expect(it.hub.lookUps).toBe(0);
  });
});

describe("without a record", () => {
  const failing = (code: SidecarErrorCode): RecordSink => ({
    write: () => Promise.reject(new SidecarError(code, "made to fail")),
  });

  test.each<[SidecarErrorCode, string]>([
    ["JournalOverloaded", "Overloaded"],
    ["JournalNotOpen", "RecordUnavailable"],
    ["JournalStopped", "RecordUnavailable"],
    ["JournalTimeout", "RecordUnavailable"],
    ["JournalFailed", "RecordUnavailable"],
    ["WalFull", "RecordUnavailable"],
  ])("because of %s no request passes, in Shadow mode neither: 503 %s", async (code, reason) => {
    const session = clerk();
    for (const mode of ["Enforce", "Shadow"] as const) {
      const request = get("/orders", { credentials: bearer(it.token(session)) });
      const answer = await it.authorize(failing(code), { spec: { mode } })(request);
      expect(answer).toEqual({
        decision: expect.objectContaining({ effect: "Deny", status: 503, reason, retryAfter: 2, setHeaders: {} }),
      });
    }
  });

  test("a session does not count as used", async () => {
    const session = it.hub.open();
    const request = get("/orders", { credentials: bearer(it.token(session)) });
    for (let minutes = 0; minutes < 30; minutes += 10) {
      await it.authorize(failing("WalFull"))(request);
      it.clock.pass(600_000);
      it.hub.change(session, { idleMs: (minutes + 10) * 60_000 });
    }
    const late = get("/orders", { credentials: bearer(it.token(session)) });
    expect((await ask(late)).record).toMatchObject({ decision: "Deny", reason: "SessionIdle" });
  });

  test("what is no failure of the journal is told as it is", async () => {
    const broken: RecordSink = { write: () => Promise.reject(new TypeError("a bug")) };
    await expect(it.authorize(broken)(get("/orders"))).rejects.toThrow("a bug");
  });

  test("without a policy everything is denied, and counted", async () => {
    const authorize = createAuthorize({
      inForce: () => undefined,
      sessions: it.cache,
      clock: it.clock,
      metrics: createDecisionMetrics(it.metrics),
    });
    expect(await authorize(get("/healthz"))).toEqual({
      decision: expect.objectContaining({ effect: "Deny", status: 503, reason: "NoPolicy" }),
    });
    expect(await it.metrics.text()).toMatch(/heauth_decisions_total\{decision="Deny",reason="NoPolicy"\} 1/);
  });
});

describe("while its record is written", () => {
  /** A request that is decided, then waits for its record while `meanwhile` happens. */
  async function askSlowly(meanwhile: (session: string) => void, mode: "Enforce" | "Shadow" = "Enforce") {
    const session = it.hub.open();
    const slow: RecordSink = {
      async write() {
        meanwhile(session);
        return { id: "a/1" };
      },
    };
    const authorize = it.authorize(slow, { spec: { mode, authentication: { maxStaleness: "5s" } } });
    return authorize(get("/orders", { credentials: bearer(it.token(session)) }));
  }
  const unavailable = { decision: { effect: "Deny", status: 503, reason: "StoreUnavailable" }, record: "a/1" };

  test("a session that is closed lets its request through no more", async () => {
    expect(await askSlowly((session) => it.close(session))).toMatchObject(unavailable);
  });

  test("a session's state that grows older than maxStaleness neither", async () => {
    expect(await askSlowly(() => it.clock.pass(5_001))).toMatchObject(unavailable);
    expect(await askSlowly(() => it.clock.pass(4_999))).toMatchObject({ decision: { effect: "Allow" } });
  });

  test("nothing of that counts in Shadow mode", async () => {
    const answer = await askSlowly((session) => it.close(session), "Shadow");
    expect(answer).toMatchObject({ decision: { effect: "Allow", wouldDeny: false } });
  });
});

test("a record waits as long as its rule says", async () => {
  const asked: string[] = [];
  const sink: RecordSink = {
    write: async (_record, durability) => {
      asked.push(durability);
      return { id: "a/1" };
    },
  };
  const session = clerk();
  const credentials = bearer(it.token(session));
  for (const method of ["GET", "POST"]) await it.authorize(sink)(get("/orders", { method, credentials }));
  await it.authorize(sink, { spec: { audit: { durability: "BestEffort" } } })(get("/orders", { credentials }));
  expect(asked).toEqual(["Local", "Database", "BestEffort"]);
});
