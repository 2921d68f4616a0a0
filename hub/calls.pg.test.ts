import {
  encodeRecord,
  JOURNAL_START,
  parseRegistration,
  publicKeyOf,
  type RecordInput,
  verifyRegistration,
} from "@heauth/core/ledger";
import { verifySessionStatement } from "@heauth/core/sessions";
import { uuidv7 } from "@heauth/program";
import { type HubClient, SessionStatus } from "@heauth/protocol";
import { readJournalHead } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { api, callerOfApi, callerOfWeb, type TestHubParts, TestStream, testHub, web } from "./testing.ts";

let it: TestHubParts;
let acme: string;
let globex: string;
let client: HubClient;

beforeEach(async () => {
  it = await testHub();
  acme = await it.tenant("acme");
  globex = await it.tenant("globex");
  await it.put(acme, web);
  await it.put(globex, api);
  await it.start();
  client = it.client(callerOfWeb);
  await new TestStream(client).hello().next("begin");
});
afterEach(() => it.stop());

function lookUp(tenant: string, sessions: string[], deadlineMs = 20_000) {
  return client.call("lookUpSessions", { tenant, sessions }, { deadlineMs });
}

describe("looking up sessions", () => {
  test("answers in the order asked: open, closed, unknown", async () => {
    const [open, closed, unknown] = [await it.session(acme), await it.session(acme), uuidv7()];
    await it.revoke(acme, closed);
    const { sessions } = await lookUp(acme, [unknown, closed, open]);
    expect(sessions).toMatchObject([
      { session: unknown, status: SessionStatus.UNKNOWN },
      { session: closed, status: SessionStatus.CLOSED, closeReason: "Revoked", generation: 2n },
      { session: open, status: SessionStatus.OPEN, closeReason: "", generation: 1n },
    ]);
    const [, , state] = sessions;
    if (state === undefined) throw new Error("no state");
    const signed = { bytes: state.statement, signature: state.statementSignature };
    const keys = new Map([[it.keys.identity.id, publicKeyOf(it.keys.identity.publicKey)]]);
    expect(verifySessionStatement(signed, keys, { tenant: acme, session: open })).toMatchObject({ user: state.user });
  });

  test("tells how long ago the session was last seen, by the store's clock", async () => {
    const session = await it.session(acme);
    await it.superuser.query("UPDATE session SET last_seen_at = now() - interval '10 minutes' WHERE id = $1", [
      session,
    ]);
    const [state] = (await lookUp(acme, [session])).sessions;
    const idleMinutes = Number(state?.idleUs) / 60e6;
    // Use is written late, by up to a minute: only what is idle for sure counts.
    expect(idleMinutes).toBeGreaterThan(8);
    expect(idleMinutes).toBeLessThanOrEqual(10.1);
  });

  test("shows no other tenant's sessions", async () => {
    const theirs = await it.session(globex);
    await expect(lookUp(globex, [theirs])).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect((await lookUp(acme, [theirs])).sessions).toMatchObject([{ status: SessionStatus.UNKNOWN }]);
  });

  test.each([
    ["not a UUID", ["'; DROP TABLE session; --"]],
    ["a NUL byte", [`${uuidv7()}\0`]],
    ["upper case", [uuidv7().toUpperCase()]],
    ["more than 512", Array.from({ length: 513 }, () => uuidv7())],
  ])("refuses %s", async (_, sessions) => {
    await expect(lookUp(acme, sessions)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("takes 512 at a time", async () => {
    const session = await it.session(acme);
    const asked = [...Array.from({ length: 511 }, () => uuidv7()), session];
    const { sessions } = await lookUp(acme, asked);
    expect(sessions.map((state) => state.session)).toEqual(asked);
    expect(sessions.at(-1)?.status).toBe(SessionStatus.OPEN);
  });

  test("says that it is overloaded, and for how long to wait", async () => {
    await it.start({ lookUps: 1 });
    await new TestStream(client).hello().next("begin");
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => lookUp(acme, [uuidv7()])));
    const refused = answers.filter((answer) => answer.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(20);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "RESOURCE_EXHAUSTED", retryAfterMs: 250 });
  });
});

describe("journals", () => {
  const deadline = { deadlineMs: 20_000 };

  function journal(options: Partial<{ tenant: string; pod: string; recovers: string[] }> = {}) {
    const { tenant = acme, pod = "shop/web-0", recovers } = options;
    return new TestJournal(tenant, it.keys.hub, { pod, ...(recovers && { recovers }) });
  }
  const register = ({ body, possession }: TestJournal, by = client) =>
    by.call("registerJournal", { registration: body, possession }, deadline);
  const append = (to: TestJournal, segments: ReturnType<TestJournal["seal"]>[], by = client) =>
    by.call("appendSegments", { tenant: to.tenant, journal: to.id, segments }, deadline);

  test("are countersigned by the hub, once", async () => {
    const mine = journal();
    const { countersignature, recovered } = await register(mine);
    expect(recovered).toEqual([]);
    const signed = { body: mine.body, possession: mine.possession, countersignature };
    expect(verifyRegistration(signed, it.keys.pinned)).toBeDefined();
    expect(parseRegistration(mine.body).registrar).toBe(it.keys.hub.id);
    expect((await register(mine)).countersignature).toEqual(countersignature);
  });

  test("take segments, again with the same answer", async () => {
    const mine = journal();
    await register(mine);
    const segments = [mine.seal(decision(undefined)), mine.seal(decision(undefined), decision(undefined))];
    expect(await append(mine, segments)).toMatchObject({ nextNumber: 2n, nextSeq: 4n });
    expect(await append(mine, segments)).toMatchObject({ nextNumber: 2n, nextSeq: 4n });
    const [row] = await it.superuser.query<{ actions: number }>("SELECT count(*) AS actions FROM segment");
    expect(row?.actions).toBe(2);
  });

  test("tell the next process where those it recovers stand", async () => {
    const old = journal();
    await register(old);
    await append(old, [old.seal(decision(undefined))]);
    const { recovered } = await register(journal({ recovers: [old.id] }));
    expect(recovered).toMatchObject([{ journal: old.id, nextNumber: 1n, nextSeq: 2n, final: false }]);
    expect(recovered[0]?.previous).toHaveLength(32);
  });

  test("that can be recovered are the pod's own, and registered", async () => {
    const [old, theirs] = [journal(), journal({ tenant: globex, pod: "shop/api-0" })];
    await register(old);
    await register(theirs, it.client(callerOfApi));
    await append(old, [old.seal(decision(undefined))]);
    const lookUpJournals = (tenant: string, journals: string[]) =>
      client.call("lookUpJournals", { tenant, journals }, deadline);
    const found = await lookUpJournals(acme, [uuidv7(), old.id, theirs.id]);
    expect(found.journals).toMatchObject([{ journal: old.id, nextNumber: 1n, nextSeq: 2n, final: false }]);
    expect((await lookUpJournals(globex, [theirs.id])).journals).toEqual([]);
    await expect(lookUpJournals(acme, ["x"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(register(journal({ recovers: [uuidv7()] }))).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("of another pod or tenant are not opened", async () => {
    for (const foreign of [
      journal({ pod: "shop/api-0" }),
      journal({ tenant: globex }),
      journal({ tenant: uuidv7() }),
    ]) {
      await expect(register(foreign)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    }
    const operators = new TestJournal(acme, it.keys.hub, { program: "operator" });
    await expect(register(operators)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("of another pod take no segments from here, though the tenant is the same", async () => {
    await it.put(acme, api).catch(() => {});
    const theirs = journal({ tenant: globex, pod: "shop/api-0" });
    const apis = it.client(callerOfApi);
    await register(theirs, apis);
    const segment = theirs.seal(decision(undefined));
    await expect(append(theirs, [segment])).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await append(theirs, [segment], apis)).toMatchObject({ nextNumber: 1n });
    await expect(append(theirs, [segment])).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("still take their segments when the policy has gone", async () => {
    const mine = journal();
    await register(mine);
    await it.superuser.query("DELETE FROM policy WHERE tenant_id = $1", [acme]);
    await it.start();
    expect(await append(mine, [mine.seal(decision(undefined))])).toMatchObject({ nextNumber: 1n });
  });

  test.each<[string, (mine: TestJournal) => Promise<unknown>, string]>([
    [
      "a journal that was never opened",
      (mine) => append(new TestJournal(acme, it.keys.hub), [mine.seal()]),
      "FAILED_PRECONDITION",
    ],
    ["an id that is none", (mine) => append(Object.assign(Object.create(mine), { id: "x" }), []), "INVALID_ARGUMENT"],
    [
      "a segment too early",
      (mine) => append(mine, [mine.seal(), mine.seal(decision(undefined))].slice(1)),
      "FAILED_PRECONDITION",
    ],
    [
      "a changed record",
      (mine) => append(mine, [{ ...mine.seal(), records: Buffer.from("garbage") }]),
      "INVALID_ARGUMENT",
    ],
    [
      "a changed signature",
      (mine) => append(mine, [{ ...mine.seal(), signature: Buffer.alloc(64) }]),
      "INVALID_ARGUMENT",
    ],
    [
      "a garbled registration",
      () => client.call("registerJournal", { registration: Buffer.from("{}") }, deadline),
      "INVALID_ARGUMENT",
    ],
    [
      "another's possession",
      (mine) => client.call("registerJournal", { registration: journal().body, possession: mine.possession }, deadline),
      "INVALID_ARGUMENT",
    ],
    [
      "more than 4 MiB",
      (mine) => append(mine, [{ ...mine.seal(), records: Buffer.alloc(5 << 20) }]),
      "RESOURCE_EXHAUSTED",
    ],
  ])("refuse %s", async (_, attempt, code) => {
    const mine = journal();
    await register(mine);
    await expect(attempt(mine)).rejects.toMatchObject({ code });
    expect(await append(mine, []).catch((error) => error)).not.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("that tell two stories raise an alarm", async () => {
    const mine = journal();
    await register(mine);
    await append(mine, [mine.seal(decision(undefined))]);
    const place = { tenant: acme, journal: mine.id, seq: 0, prev: undefined };
    const opening: RecordInput = { type: "journal.open", at: Date.now() * 1000, source: "sidecar" };
    const other = mine.sealRecords([encodeRecord(opening, place)], JOURNAL_START);
    await expect(append(mine, [other])).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await it.metrics.text()).toContain('heauth_hub_segments_total{outcome="conflict"} 1');
    const alerts = await it.superuser.query("SELECT count FROM alert WHERE reason = 'Equivocation'");
    expect(alerts).toEqual([{ count: 1 }]);
  });

  test("move their watermark with a probe: their own only, forward only, never beyond the outbox", async () => {
    const mine = journal();
    await register(mine);
    const theirs = journal({ tenant: globex, pod: "shop/api-0" });
    await register(theirs, it.client(callerOfApi));
    const stream = new TestStream(client).hello();
    await stream.next("begin");
    const [seq, theirSeq] = [BigInt(await it.emit(acme)), BigInt(await it.emit(globex))];
    while ((await stream.next("event")).seq < seq);
    const marks = (outboxSeq: bigint) => [
      { tenant: acme, journal: mine.id, outboxSeq },
      { tenant: globex, journal: theirs.id, outboxSeq: theirSeq },
    ];
    await stream.probe(marks(seq));
    const marked = async ({ tenant, id }: TestJournal) => {
      const rows = await it.superuser.query<{ outbox_seq: number }>(
        "SELECT outbox_seq FROM journal_head WHERE tenant_id = $1 AND journal_id = $2",
        [tenant, id],
      );
      return rows[0]?.outbox_seq;
    };
    while ((await marked(mine)) !== Number(seq)) await new Promise((resolve) => setTimeout(resolve, 10));
    await stream.probe(marks(seq - 1n));
    await stream.probe(marks(seq + 1000n));
    // Two more reads of the outbox: what was noted has been written.
    for (let n = 0; n < 2; n++) {
      await it.emit(acme);
      await stream.next("event");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect([await marked(mine), await marked(theirs)]).toEqual([Number(seq), 0]);
    expect(await it.hubDatabase.transaction((tx) => readJournalHead(tx, acme, mine.id))).toBeDefined();
  });
});
