import { publicKeyOf } from "@heauth/core/ledger";
import { createLogs, createMetrics, systemClock } from "@heauth/program";
import type { Policy } from "@heauth/protocol";
import { policyAcks } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type StoppableServer, stoppableServer } from "../../hub/stoppable-server.ts";
import { callerOfWeb, type TestHubParts, testHub, web } from "../../hub/testing.ts";
import { createSessionCache, type SessionCache } from "../sessions/index.ts";
import { told } from "../sessions/testing.ts";
import { createHubConnection, type HubConnection, type HubWelcome, type JournalProgress } from "./index.ts";
import { Line } from "./line.ts";

const bounds = { revalidateAfterMs: 200, maxStalenessMs: 1500, idleTimeoutMs: 1_800_000 };
const rarely = { ...bounds, revalidateAfterMs: 30_000, maxStalenessMs: 30_000 };

let server: StoppableServer;
let parts: TestHubParts;
let acme: string;
let line: Line;
let connection: HubConnection;
let sessions: SessionCache;
let policies: Policy[];
let removed: string[];
let welcomes: HubWelcome[];
let progress: JournalProgress | undefined;
let verdict: { enforced: boolean; missingFeatures: string[]; message: string };

beforeAll(async () => {
  server = await stoppableServer();
  parts = await testHub([callerOfWeb], server);
  acme = await parts.tenant("acme");
}, 120_000);
afterAll(async () => {
  await parts?.stop();
  await server?.end();
}, 30_000);

beforeEach(async () => {
  await parts.put(acme, web, JSON.stringify({ at: performance.now() }));
  await parts.start();
  line = new Line(parts.socketOf(callerOfWeb));
  removed = [];
  progress = undefined;
  verdict = { enforced: true, missingFeatures: [], message: "" };
  await connect();
}, 30_000);

afterEach(async () => {
  await connection?.stop(AbortSignal.timeout(1000));
  await line?.close();
}, 30_000);

/** @param lookUpMs how long a look-up may take */
async function connect(lookUpMs = 300): Promise<void> {
  policies = [];
  welcomes = [];
  const metrics = createMetrics();
  const { log } = createLogs({ program: "sidecar", level: "silent" });
  connection = createHubConnection({
    address: { target: `unix:${line.path}` },
    version: "test",
    features: [],
    clock: systemClock,
    log,
    metrics,
    timing: { probeEvery: 50, silentAfter: 1000, lookUpDeadline: lookUpMs, reconnectMax: 300, breakerMax: 300 },
  });
  const { identity } = parts.keys;
  sessions = createSessionCache({
    source: connection.sessions,
    identityKeys: () => new Map([[identity.id, publicKeyOf(identity.publicKey)]]),
    clock: systemClock,
    metrics,
    refreshWaitMs: 50,
    lookUpWaitMs: Math.max(1000, lookUpMs),
  });
  connection.listen({
    welcome: (welcome) => welcomes.push(welcome),
    policy(policy, answer) {
      policies.push(policy);
      answer(verdict);
    },
    policyRemoved: ({ name }) => removed.push(name),
    policiesTold: () => {},
    sessions: sessions.listener,
    progress: () => progress,
  });
  await connection.start();
  await until(() => policies.length > 0);
}

/** Where look-ups must succeed, however busy the machine is. */
async function connectAgain(): Promise<void> {
  await connection.stop(AbortSignal.timeout(1000));
  await connect(20_000);
}

const resolve = (session: string) => sessions.resolve(acme, session, bounds);

describe("the connection", () => {
  test("hears who it is, and is given its policy, whose acknowledgement reaches the store", async () => {
    // A stream on which nothing was heard for a second is opened anew.
    expect(welcomes[0]).toEqual({ registrar: parts.keys.hub.id, pod: "shop/web-0" });
    verdict = { enforced: false, missingFeatures: ["time-travel"], message: "the policy needs time-travel" };
    const digest = await parts.put(acme, web, '{"needs":"time-travel"}');
    await until(async () => {
      const [ack] = await parts.operator.transaction((tx) => policyAcks(tx, acme, web));
      return ack?.digest === digest && !ack.enforced && ack.missingFeatures[0] === "time-travel";
    });
  });

  test("brings journals to the hub", async () => {
    const journal = new TestJournal(acme, parts.keys.hub, { pod: "shop/web-0" });
    const signal = AbortSignal.timeout(30_000);
    const registration = { registration: journal.body, possession: journal.possession };
    expect(await connection.journals.register(registration, signal)).toEqual([]);
    const request = { tenant: acme, journal: journal.id, segments: [journal.seal(decision(undefined))] };
    expect(await connection.journals.append(request, signal)).toEqual({ nextNumber: 1, nextSeq: 2 });
    const [garbled] = request.segments.map((segment) => ({ ...segment, header: Buffer.from("{}") }));
    if (garbled === undefined) throw new Error("no segment");
    const attempt = connection.journals.append({ ...request, segments: [garbled] }, signal);
    await expect(attempt).rejects.toMatchObject({ code: "HubRefused" });
    await line.close();
    await expect(connection.journals.append(request, signal)).rejects.toMatchObject({ code: "HubUnavailable" });
  });

  test("tells how far its journal has been committed", async () => {
    const journal = new TestJournal(acme, parts.keys.hub, { pod: "shop/web-0" });
    await connection.journals.register(
      { registration: journal.body, possession: journal.possession },
      AbortSignal.timeout(30_000),
    );
    progress = { tenant: acme, journal: journal.id, nextSeq: 5, committedSeq: 4 };
    const seq = await parts.emit(acme);
    const mark = async () => {
      const rows = await parts.superuser.query<{ outbox_seq: number }>(
        "SELECT outbox_seq FROM heauth.journal_head WHERE journal_id = $1",
        [journal.id],
      );
      return rows[0]?.outbox_seq ?? 0;
    };
    await new Promise((done) => setTimeout(done, 300));
    expect(await mark()).toBeLessThan(seq);
    progress = { ...progress, committedSeq: 5 };
    await until(async () => (await mark()) === seq);
  });

  test("looks many sessions up in few calls", async () => {
    await connectAgain();
    const all: string[] = [];
    while (all.length < 600) all.push(...(await Promise.all(Array.from({ length: 20 }, () => parts.session(acme)))));
    const before = await lookUpCalls();
    const answers = await Promise.all(all.map((session) => sessions.resolve(acme, session, rarely)));
    expect(new Set(answers.map(told))).toEqual(new Set(["Open"]));
    expect((await lookUpCalls()) - before).toBeLessThanOrEqual(4);
  }, 60_000);

  test("goes on where it was when the hub comes back: what was seen is still vouched for", async () => {
    await connectAgain();
    const session = await parts.session(acme);
    expect(told(await sessions.resolve(acme, session, rarely))).toBe("Open");
    const before = await lookUpCalls();
    await parts.start();
    const back = performance.now();
    await until(async () => {
      const asked = performance.now();
      const resolution = await sessions.resolve(acme, session, rarely);
      expect(told(resolution)).toBe("Open");
      return resolution.kind === "Known" && resolution.evidence.ageMs < asked - back;
    });
    expect((await lookUpCalls()) - before).toBe(0);
  });
});

async function lookUpCalls(): Promise<number> {
  const text = await parts.metrics.text();
  return Number(/heauth_hub_calls_total\{call="lookUpSessions",outcome="ok"\} (\d+)/.exec(text)?.[1] ?? 0);
}

describe("a revocation", () => {
  test("is seen without being asked for, long before the state would be read again", async () => {
    await connectAgain();
    for (let n = 0; n < 20; n++) {
      const session = await parts.session(acme);
      expect(told(await sessions.resolve(acme, session, rarely))).toBe("Open");
      await parts.revoke(acme, session);
      await until(async () => told(await sessions.resolve(acme, session, rarely)).startsWith("Closed"));
    }
  }, 60_000);

  async function openSession(): Promise<string> {
    const session = await parts.session(acme);
    await until(async () => told(await resolve(session)) === "Open");
    return session;
  }

  /** Asks all the time, and keeps what was told, and when it was asked. */
  async function watch(session: string, end: (answer: string) => boolean): Promise<[number, string][]> {
    const seen: [number, string][] = [];
    for (;;) {
      const asked = performance.now();
      const answer = told(await resolve(session));
      seen.push([asked, answer]);
      if (end(answer)) return seen;
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  /** @param since when the hub could say no more */
  function expectBounded(seen: [number, string][], since: number): void {
    const open = seen.filter(([, answer]) => answer.startsWith("Open"));
    expect(Math.max(0, ...open.map(([at]) => at - since))).toBeLessThanOrEqual(bounds.maxStalenessMs);
    expect(new Set(seen.map(([, answer]) => answer))).not.toContain("Unknown");
    // Some were served while nobody could say, and marked so.
    expect(seen.some(([, answer]) => answer === "Open stale")).toBe(true);
    expect(seen.some(([, answer]) => answer === "Unavailable")).toBe(true);
  }

  /** What is told while nobody hears of the revocation, from now on. */
  async function watchAndRevoke(session: string): Promise<[[number, string][], number]> {
    const since = performance.now();
    const [seen] = await Promise.all([
      watch(session, (answer) => answer === "Unavailable"),
      parts.revoke(acme, session),
    ]);
    return [seen, since];
  }

  test("while the hub hangs is ignored for no longer than maxStaleness", async () => {
    const session = await openSession();
    line.stall();
    expectBounded(...(await watchAndRevoke(session)));
    line.flow();
    const after = await watch(session, (answer) => answer.startsWith("Closed"));
    expect(after.some(([, answer]) => answer.startsWith("Open"))).toBe(false);
  }, 60_000);

  test("while the hub's answers are held up is ignored for no longer than maxStaleness", async () => {
    const session = await openSession();
    line.stall("answers");
    expectBounded(...(await watchAndRevoke(session)));
    line.flow();
    const after = await watch(session, (answer) => answer.startsWith("Closed"));
    expect(after.some(([, answer]) => answer.startsWith("Open"))).toBe(false);
  }, 60_000);

  test("while the hub is down is ignored for no longer than maxStaleness, and seen when it is back", async () => {
    const session = await openSession();
    line.cut();
    expectBounded(...(await watchAndRevoke(session)));
    await parts.start();
    line.mend();
    const after = await watch(session, (answer) => answer.startsWith("Closed"));
    expect(after.some(([, answer]) => answer.startsWith("Open"))).toBe(false);
  }, 60_000);

  test("can't be committed while PostgreSQL is away: sessions go on for maxStaleness, then nobody can say, then all is well", async () => {
    const session = await openSession();
    const stopped = server.postgres.stop().then(() => performance.now());
    const [seen, since] = await Promise.all([watch(session, (answer) => answer === "Unavailable"), stopped]);
    expectBounded(seen, since);
    expect(told(await resolve(await neverSeen()))).toBe("Unavailable");
    await server.postgres.start();
    await watch(session, (answer) => answer === "Open");
    await parts.revoke(acme, session);
    await watch(session, (answer) => answer === "Closed Revoked");
  }, 60_000);
});

async function neverSeen(): Promise<string> {
  return "0192f0c1-0000-7000-8000-000000000001";
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 10));
}
