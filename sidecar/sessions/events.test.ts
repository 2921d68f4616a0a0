import { newProgramKeyFile, parseProgramKeyFile } from "@heauth/core/keys";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { claims, testCache, told } from "./testing.ts";

let it: ReturnType<typeof testCache>;
beforeEach(() => {
  it = testCache();
  it.cache.listener.begin(it.hub.tenant, true);
});

describe("an event", () => {
  test("closes the session at once, also when the hub is away", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.mode = "fails";
    it.closedEvent(session, 2n);
    expect(told(await it.resolve(session))).toBe("Closed");
  });

  test("closes it for good: its reason is asked for, and nothing opens it again", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.closedEvent(session, it.hub.revoke(session, "Logout"));
    expect(told(await it.resolve(session))).toBe("Closed Logout");
    it.hub.change(session, { status: "Open", generation: 9n });
    it.clock.pass(100_000);
    expect(told(await it.resolve(session))).toBe("Closed Logout");
    expect(it.hub.lookUps).toBe(2);
  });

  test("closes it also against an answer that still has it open", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.closedEvent(session, 2n);
    it.hub.change(session, { generation: 9n });
    expect(told(await it.resolve(session))).toBe("Closed");
  });

  test("of a change has the state read again before its time", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.changedEvent(session, it.hub.change(session, { roles: ["admin"] }));
    expect(await it.resolve(session)).toMatchObject({ stale: false, evidence: { roles: ["admin"] } });
  });

  test("of a change without an answer leaves the old state, stale, and vouched for no longer", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(500);
    it.probed();
    it.changedEvent(session, 2n);
    it.hub.mode = "fails";
    const resolution = await it.resolve(session);
    expect(told(resolution)).toBe("Open stale");
    expect(resolution).toMatchObject({ evidence: { ageMs: 1001 } });
    it.clock.pass(30_000);
    it.probed();
    expect(told(await it.resolve(session))).toBe("Open stale");
    it.clock.pass(1);
    it.probed();
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("of the tenant has every state read again", async () => {
    const sessions = [it.hub.open(), it.hub.open()];
    for (const session of sessions) await it.resolve(session);
    it.cache.listener.event({ kind: "TenantChanged", tenant: it.hub.tenant });
    for (const session of sessions) await it.resolve(session);
    expect(it.hub.lookUps).toBe(4);
  });

  test("that is older than what is known changes nothing", async () => {
    const session = it.hub.open();
    it.hub.change(session, {});
    await it.resolve(session);
    it.changedEvent(session, 2n);
    await it.resolve(session);
    expect(it.hub.lookUps).toBe(1);
  });
});

describe("the generation fence", () => {
  test("a slow read does not overwrite a newer revocation of a session in the cache", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(2000);
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.closedEvent(session, it.hub.revoke(session));
    it.hub.release();
    expect(told(await waiting)).toBe("Closed Revoked");
    expect(told(await it.resolve(session))).toBe("Closed Revoked");
  });

  test("nor of one that was not in the cache when the event came", async () => {
    const session = it.hub.open();
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.closedEvent(session, it.hub.revoke(session));
    it.clock.pass(10);
    it.probed();
    it.hub.release();
    expect(told(await waiting)).toBe("Closed Revoked");
  });

  test("answers that stay behind the events are no answers", async () => {
    const session = it.hub.open();
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.closedEvent(session, 2n);
    it.hub.release();
    expect(told(await waiting)).toBe("Unavailable");
  });

  test("an older answer does not replace a newer one", async () => {
    const session = it.hub.open();
    it.hub.change(session, { roles: ["new"], generation: 5n });
    await it.resolve(session);
    it.hub.change(session, { roles: ["old"], generation: 4n });
    it.clock.pass(2000);
    expect(await it.resolve(session)).toMatchObject({ evidence: { roles: ["new"], ageMs: 2000 } });
  });
});

describe("a stream that begins", () => {
  test("where the last one ended goes on vouching for what was seen before", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.cache.listener.ended();
    it.clock.pass(10_000);
    it.cache.listener.begin(it.hub.tenant, false);
    it.probed();
    it.hub.mode = "fails";
    expect(told(await it.resolve(session))).toBe("Open");
  });

  test("after a miss does not", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(500);
    it.probed();
    it.cache.listener.ended();
    it.cache.listener.begin(it.hub.tenant, true);
    it.hub.mode = "fails";
    it.clock.pass(10_000);
    it.probed();
    // What the old stream vouched for still counts: the state was true 10 s ago.
    expect(await it.resolve(session)).toMatchObject({ stale: true, evidence: { ageMs: 10_000 } });
    it.clock.pass(20_001);
    it.probed();
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("does not vouch for an answer that was asked for before it", async () => {
    const session = it.hub.open();
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.cache.listener.ended();
    it.cache.listener.begin(it.hub.tenant, true);
    it.hub.release();
    await waiting;
    it.hub.mode = "fails";
    it.clock.pass(30_001);
    it.probed();
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("vouches for nothing before it has begun", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.cache.listener.ended();
    it.clock.pass(30_001);
    it.probed();
    it.hub.mode = "fails";
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });
});

describe("another store", () => {
  test("drops every session, and the tokens verified by them", async () => {
    const session = it.hub.open();
    const resolution = await it.resolve(session);
    if (resolution.kind !== "Known") throw new Error("not known");
    it.cache.tokens.remember("token", { session: resolution.session, token: claims });
    it.cache.listener.storeChanged();
    expect(it.cache.tokens.recall("token")).toBeUndefined();
    it.hub.mode = "fails";
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("takes no answer of the old one", async () => {
    const session = it.hub.open();
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.cache.listener.storeChanged();
    it.hub.release();
    expect(told(await waiting)).toBe("Unavailable");
  });
});

describe("a statement that identity did not sign", () => {
  const forger = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");

  test.each([
    ["another key's", () => it.hub.open({ signer: forger })],
    ["another key's under identity's id", () => it.hub.open({ signer: { ...forger, id: it.hub.identity.id } })],
    ["another tenant's", () => it.hub.open({ tenant: "0192f0c1-0000-7000-8000-000000000001" })],
    ["another session's", () => it.hub.open({ signedFor: "0192f0c1-0000-7000-8000-000000000001" })],
    ["none", () => replaced(it.hub.open(), { statement: new Uint8Array() })],
    ["garbage", () => replaced(it.hub.open(), { statement: Buffer.from("{}") })],
    ["that names another user than the row", () => replaced(it.hub.open(), { user: "somebody else" })],
    ["a cut signature", () => replaced(it.hub.open(), { statementSignature: Buffer.alloc(10) })],
  ])("lets nobody in: %s", async (_, open) => {
    const session = open();
    expect(told(await it.resolve(session))).toBe("Untrusted");
    expect(told(await it.resolve(session))).toBe("Untrusted");
    expect(it.hub.lookUps).toBe(1);
  });

  test("does not replace one that he did", async () => {
    const [session, other] = [it.hub.open(), it.hub.open()];
    await it.resolve(session);
    const { statement, statementSignature } = it.hub.answers.get(other) ?? {};
    if (statement === undefined || statementSignature === undefined) throw new Error("no statement");
    it.hub.change(session, { statement, statementSignature });
    it.clock.pass(2000);
    expect(told(await it.resolve(session))).toBe("Untrusted");
  });

  test("does not make a known session another user's", async () => {
    const session = it.hub.open();
    expect(told(await it.resolve(session))).toBe("Open");
    it.hub.change(session, { user: "somebody else", subject: "somebody else" });
    it.clock.pass(2000);
    expect(told(await it.resolve(session))).toBe("Untrusted");
  });

  test("can still close a session", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.revoke(session);
    it.hub.change(session, { statement: new Uint8Array() });
    it.clock.pass(2000);
    expect(told(await it.resolve(session))).toBe("Closed Revoked");
  });
});

describe("a verified token", () => {
  test("is remembered as long as its session is open, and by its exact string", async () => {
    const session = it.hub.open();
    const resolution = await it.resolve(session);
    if (resolution.kind !== "Known") throw new Error("not known");
    const remembered = { session: resolution.session, token: claims };
    it.cache.tokens.remember("token", remembered);
    expect(it.cache.tokens.recall("token")).toBe(remembered);
    expect(it.cache.tokens.recall("Token")).toBeUndefined();
    it.closedEvent(session, it.hub.revoke(session));
    expect(it.cache.tokens.recall("token")).toBeUndefined();
  });

  test("goes when its session is pushed out", async () => {
    it = testCache({ maxSessions: 1 });
    const session = it.hub.open();
    const resolution = await it.resolve(session);
    if (resolution.kind !== "Known") throw new Error("not known");
    it.cache.tokens.remember("token", { session: resolution.session, token: claims });
    await it.resolve(it.hub.open());
    expect(it.cache.tokens.recall("token")).toBeUndefined();
  });

  test("stays when the state is read again", async () => {
    const session = it.hub.open();
    const resolution = await it.resolve(session);
    if (resolution.kind !== "Known") throw new Error("not known");
    it.cache.tokens.remember("token", { session: resolution.session, token: claims });
    it.clock.pass(5000);
    expect(await it.resolve(session)).toMatchObject({ session: it.cache.tokens.recall("token")?.session });
  });
});

function replaced(session: string, change: Parameters<typeof it.hub.change>[1]): string {
  it.hub.change(session, change);
  return session;
}
