import { beforeEach, describe, expect, test } from "@jest/globals";
import { testCache, told } from "./testing.ts";

let it: ReturnType<typeof testCache>;
beforeEach(() => {
  it = testCache();
});

describe("a state seen at s is good until max(s, horizon) + revalidateAfter", () => {
  test("without a horizon until s + revalidateAfter, then it is read again", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(1000);
    expect(told(await it.resolve(session))).toBe("Open");
    expect(it.hub.lookUps).toBe(1);
    it.clock.pass(1);
    expect(told(await it.resolve(session))).toBe("Open");
    expect(it.hub.lookUps).toBe(2);
  });

  test("s is when the state was asked for, not when the answer came", async () => {
    const session = it.hub.open();
    it.hub.mode = "held";
    const first = it.resolve(session);
    it.clock.pass(900);
    it.hub.release();
    expect(await first).toMatchObject({ evidence: { ageMs: 900 } });
    it.clock.pass(101);
    await it.resolve(session);
    expect(it.hub.lookUps).toBe(2);
  });

  test("with a horizon that moves on it is never read again", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open();
    await it.resolve(session);
    for (let second = 0; second < 100; second++) {
      it.clock.pass(1000);
      it.probed(250);
      it.clock.pass(700);
      expect(await it.resolve(session)).toMatchObject({ kind: "Known", stale: false, evidence: { ageMs: 950 } });
    }
    expect(it.hub.lookUps).toBe(1);
  });

  test("the horizon is t0 − age: an old read of the hub's vouches for little", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(5000);
    it.probed(1001);
    await it.resolve(session);
    expect(it.hub.lookUps).toBe(2);
  });

  test("the horizon never moves backwards", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(5000);
    it.probed(0);
    it.probed(4000);
    expect(await it.resolve(session)).toMatchObject({ evidence: { ageMs: 0 } });
    expect(it.hub.lookUps).toBe(1);
  });
});

describe("elapsed is the larger of monotonic and wall", () => {
  test("a wall clock set back makes nothing fresh", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(1001);
    it.clock.setWall(-3_600_000);
    await it.resolve(session);
    expect(it.hub.lookUps).toBe(2);
  });

  test("neither does a machine that slept", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.mode = "fails";
    it.clock.sleep(31_000);
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });
});

describe("without an answer", () => {
  test.each(["fails", "hangs"] as const)("the cached state still serves, marked stale (%s)", async (mode) => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.mode = mode;
    it.clock.pass(30_000);
    const resolution = await it.resolve(session);
    expect(told(resolution)).toBe("Open stale");
    expect(resolution).toMatchObject({ evidence: { ageMs: 30_000 } });
  });

  test("beyond maxStaleness it is unavailable; never unknown, never closed", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.mode = "fails";
    it.clock.pass(30_001);
    expect(told(await it.resolve(session))).toBe("Unavailable");
    expect(told(await it.resolve(session, { maxStalenessMs: 60_000 }))).toBe("Open stale");
  });

  test("maxStaleness counts from the horizon, as revalidateAfter does", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(100_000);
    it.probed(0);
    it.hub.mode = "fails";
    it.clock.pass(30_000);
    expect(told(await it.resolve(session))).toBe("Open stale");
    it.clock.pass(1);
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("a session never seen is unavailable, not unknown", async () => {
    const session = it.hub.open();
    it.hub.mode = "fails";
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("all is well as soon as there are answers again", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.hub.mode = "fails";
    it.clock.pass(60_000);
    expect(told(await it.resolve(session))).toBe("Unavailable");
    it.hub.mode = "answers";
    expect(told(await it.resolve(session))).toBe("Open");
  });

  test("the wait itself counts: a state that grows too old while waiting does not serve", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(29_990);
    it.hub.mode = "held";
    const waiting = it.resolve(session);
    it.clock.pass(20);
    expect(told(await waiting)).toBe("Unavailable");
  });
});

describe("single flight", () => {
  test("many requests of one session ask once", async () => {
    const session = it.hub.open();
    const all = await Promise.all(Array.from({ length: 100 }, () => it.resolve(session)));
    expect(new Set(all.map(told))).toEqual(new Set(["Open"]));
    expect(it.hub.lookUps).toBe(1);
  });

  test("an answer that comes too late for one request serves the next", async () => {
    const session = it.hub.open();
    await it.resolve(session);
    it.clock.pass(2000);
    it.hub.mode = "held";
    expect(told(await it.resolve(session))).toBe("Open stale");
    it.hub.release();
    await new Promise(setImmediate);
    expect(told(await it.resolve(session))).toBe("Open");
    expect(it.hub.lookUps).toBe(2);
  });
});

describe("sessions that are not", () => {
  test("are remembered briefly", async () => {
    const session = "0192f0c1-0000-7000-8000-000000000001";
    expect(told(await it.resolve(session))).toBe("Unknown");
    expect(told(await it.resolve(session))).toBe("Unknown");
    expect(it.hub.lookUps).toBe(1);
    it.clock.pass(1001);
    await it.resolve(session);
    expect(it.hub.lookUps).toBe(2);
  });

  test("are unavailable once they are forgotten and nobody can say", async () => {
    const session = "0192f0c1-0000-7000-8000-000000000001";
    await it.resolve(session);
    it.hub.mode = "fails";
    it.clock.pass(1001);
    expect(told(await it.resolve(session))).toBe("Unavailable");
  });

  test("push no session out, however many", async () => {
    it = testCache({ maxSessions: 2, maxAbsent: 2 });
    const session = it.hub.open();
    await it.resolve(session);
    for (let n = 0; n < 50; n++) await it.resolve(`0192f0c1-0000-7000-8000-${String(n).padStart(12, "0")}`);
    it.hub.mode = "fails";
    expect(told(await it.resolve(session))).toBe("Open");
  });
});

describe("idle time", () => {
  const idle = { idleTimeoutMs: 60_000 };

  test("is the store's, plus what has passed since", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open({ idleMs: 10_000 });
    await it.resolve(session, idle);
    it.clock.pass(5000);
    it.probed();
    expect(await it.resolve(session, idle)).toMatchObject({ evidence: { idleMs: 15_000 } });
  });

  test("begins anew with a use here, which the store hears of later", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open({ idleMs: 50_000 });
    const resolution = await it.resolve(session, idle);
    if (resolution.kind === "Known") it.cache.used(resolution.session);
    it.clock.pass(30_000);
    it.probed();
    expect(await it.resolve(session, idle)).toMatchObject({ evidence: { idleMs: 30_000 } });
    expect(it.hub.lookUps).toBe(1);
  });

  test("that is over here is asked for again: the session may have been used elsewhere", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open({ idleMs: 50_000 });
    await it.resolve(session, idle);
    it.hub.change(session, { idleMs: 2_000, generation: 1n });
    it.clock.pass(10_000);
    it.probed();
    expect(await it.resolve(session, idle)).toMatchObject({ evidence: { status: "Open", idleMs: 2_000 } });
    expect(it.hub.lookUps).toBe(2);
  });

  test("that is over is told, and not asked for at every request", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open({ idleMs: 60_000 });
    expect(await it.resolve(session, idle)).toMatchObject({ evidence: { idleMs: 60_000 } });
    await it.resolve(session, idle);
    expect(it.hub.lookUps).toBe(1);
  });

  test("that is over only as far as is known here is unavailable while nobody can say more", async () => {
    it.cache.listener.begin(it.hub.tenant, true);
    const session = it.hub.open({ idleMs: 50_000 });
    await it.resolve(session, idle);
    it.hub.mode = "fails";
    it.clock.pass(10_000);
    it.probed();
    expect(told(await it.resolve(session, idle))).toBe("Unavailable");
  });
});
