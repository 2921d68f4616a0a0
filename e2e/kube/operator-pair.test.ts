// Two operators, each with a door of its own: one leads, and the other takes over from it, dead or frozen.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { type OperatorRig, startOperatorRig } from "./operator-rig.ts";
import { type Duty, takeDuty } from "./testing/duty.ts";
import { expectNothingLost } from "./testing/nothing-lost.ts";
import { SOAK } from "./testing/soak.ts";
import { Tenancy } from "./testing/tenancy.ts";
import { startWatched, type WatchedOperator } from "./testing/writes.ts";

const LEASE_MS = SOAK ? 15_000 : 3_000;
/** A candidate looks several times within a lease; and then a term has to be taken. */
const HANDED_OVER_WITHIN_MS = LEASE_MS + 4_000;
/** The server ends the locks' session when it has heard nothing for 15 s. */
const JOBS_TAKEN_WITHIN_MS = 25_000;
/** A transaction that says nothing for 5 s is ended by the server; until then the next term waits for it. */
const TERM_FREE_WITHIN_MS = 10_000;

describeKube("of two operators", () => {
  let rig: OperatorRig;
  let duty: Duty;
  let leader: WatchedOperator;
  let other: WatchedOperator;
  /** One for each test. */
  const tenancies: Tenancy[] = [];
  const started: WatchedOperator[] = [];

  async function start(): Promise<WatchedOperator> {
    const operator = await startWatched(rig);
    started.push(operator);
    return operator;
  }

  beforeAll(async () => {
    rig = await startOperatorRig({ lease: `${LEASE_MS}ms` });
    leader = await start();
    await reconciles(leader);
    const ofOther = start();
    const takingDuty = takeDuty(rig, "duty");
    tenancies.push(...[1, 2, 3, 4, 5, 6].map((n) => new Tenancy(rig, `t${n}`)));
    [other, duty] = await Promise.all([ofOther, takingDuty, ...tenancies.map((each) => each.live())]);
    await Promise.all([other.operator.ready(), duty.work()]);
  }, 2 * API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await Promise.all(started.map((each) => each.stop()));
    await duty?.stop();
    await rig?.stop();
  });

  const rows = <Row extends object>(sql: string, ...params: unknown[]) => rig.store.superuser.query<Row>(sql, params);
  const term = async () => (await rows<{ term: number }>("SELECT term::int FROM term"))[0]?.term ?? 0;
  const modeOf = async ({ name }: Tenancy) => {
    const [row] = await rows<{ mode: string }>(
      "SELECT convert_from(compiled, 'UTF8')::json #>> '{mode}' AS mode FROM policy WHERE namespace = $1",
      name,
    );
    return row?.mode;
  };
  const reconciles = ({ operator }: WatchedOperator, afterTerm = 0) =>
    operator.said(({ msg, term: begun }) => msg === "reconciles from now on" && Number(begun) > afterTerm);

  function someTenancy(): Tenancy {
    const tenancy = tenancies.shift();
    if (tenancy === undefined) throw new Error("there are more tests than tenancies");
    return tenancy;
  }

  /** Expects that what is changed comes into force, and that its status says so. */
  async function expectFollowed(tenancy: Tenancy, mode: "Shadow" | "Enforce"): Promise<void> {
    expect(
      await eventually(
        () => modeOf(tenancy),
        (now) => now === mode,
      ),
    ).toBe(mode);
    const policy = await eventually(
      () => tenancy.policy(),
      (found) => found?.status?.observedGeneration === found?.metadata.generation,
    );
    expect(policy?.status?.observedGeneration).toBe(policy?.metadata.generation);
  }

  /** @returns the names of what its controllers write from now on, as it grows; anchors are the jobs', and only advance */
  function writesOf(operator: WatchedOperator): string[] {
    const names: string[] = [];
    operator.onWrite({
      before({ name, path }) {
        if (!name.endsWith(" heauth-seal")) names.push(`${name} ${path}`.trim());
      },
    });
    return names;
  }

  /** On a busy machine the other may have come to lead without anybody's doing. */
  async function findLeader(): Promise<void> {
    const leads = () => Promise.all([leader, other].map(({ operator }) => operator.metric("heauth_leader")));
    const isOne = (each: readonly number[]) => each.toSorted().join() === "0,1";
    const found = await eventually(leads, isOne, 30_000);
    expect(isOne(found)).toBe(true);
    if (found[0] === 0) swap();
  }

  async function expectOneLeader(): Promise<void> {
    expect(await other.operator.metric("heauth_leader")).toBe(1);
    expect(await leader.operator.metric("heauth_leader")).toBe(0);
  }

  test("one leads, and the other writes nothing", async () => {
    await findLeader();
    const silent = writesOf(other);
    const tenancy = someTenancy();
    await tenancy.putPolicy({ mode: "Shadow" });
    await expectFollowed(tenancy, "Shadow");
    expect(await leader.operator.metric("heauth_leader")).toBe(1);
    expect(await other.operator.metric("heauth_leader")).toBe(0);
    expect(silent).toEqual([]);
    other.onWrite();
  }, 60_000);

  test("the one takes over from the other that was killed, within the lease", async () => {
    await findLeader();
    const tenancy = someTenancy();
    const before = await term();
    await leader.operator.stop("SIGKILL");
    const killedAt = performance.now();
    await tenancy.putPolicy({ mode: "Shadow" });
    await reconciles(other, before);
    const handedOver = performance.now() - killedAt;
    await expectFollowed(tenancy, "Shadow");
    const [work, next] = await Promise.all([duty.work(JOBS_TAKEN_WITHIN_MS), start()]);
    console.log(`killed: handed over after ${Math.round(handedOver)} ms; jobs ${JSON.stringify(work)}`);
    expect(handedOver).toBeLessThan(HANDED_OVER_WITHIN_MS);
    expect(await term()).toBe(before + 1);
    await leader.stop();
    [leader, other] = [other, next];
    await other.operator.ready();
    await expectNothingLost(rig);
  }, 90_000);

  /** Freezes the leader, lets the other take over, wakes it again, and expects that nothing is lost. @returns what it then writes */
  async function frozen(tenancy: Tenancy, withinMs: number, jobsToo = SOAK): Promise<string[]> {
    const frozenAt = performance.now();
    const before = await term();
    await reconciles(other, before);
    const handedOver = performance.now() - frozenAt;
    await tenancy.putPolicy({ selector: { matchLabels: { app: "api" } } });
    await expectFollowed(tenancy, "Enforce");
    const work = jobsToo ? await duty.work(JOBS_TAKEN_WITHIN_MS) : {};
    const jobs = performance.now() - frozenAt;
    const written = writesOf(leader);
    const earlier = new Set(leader.operator.log);
    leader.operator.resume();
    await leader.operator.said(
      (line) => !earlier.has(line) && /leads no more|leaves it to that one/.test(String(line["msg"])),
    );
    await tenancy.putPolicy({ mode: "Shadow" });
    await expectFollowed(tenancy, "Shadow");
    await Promise.all([pause(2_000), expectNothingLost(rig)]);
    leader.onWrite();
    console.log(
      `frozen: handed over after ${Math.round(handedOver)} ms; jobs taken over and done after ${Math.round(jobs)} ms, ${JSON.stringify(work)}; written afterwards: ${JSON.stringify(written)}`,
    );
    expect(handedOver).toBeLessThan(withinMs);
    expect(await term()).toBe(before + 1);
    await expectOneLeader();
    return written;
  }

  function expectNothingTwice(): void {
    expect(duty.receiver.messages).toHaveLength(new Set(duty.receiver.messages).size);
    expect(duty.receiver.messages).toHaveLength(duty.alerts);
  }

  /** For the next test: who leads now is frozen next. */
  function swap(): void {
    [leader, other] = [other, leader];
  }

  test("the one takes over from the other that is frozen while it seals, which then writes nothing any more", async () => {
    await findLeader();
    const tenancy = someTenancy();
    const sealing = leader.freezeAfter(
      ({ sql, before: [begin = ""] }) => sql.includes("INSERT INTO log_entry") && begin.includes(duty.tenancy.id),
    );
    await duty.logins.open(duty.tenancy.id);
    await sealing;
    expect(await frozen(tenancy, HANDED_OVER_WITHIN_MS, true)).toEqual([]);
    expectNothingTwice();
    swap();
  }, 120_000);

  test.each([
    ["in the middle of a transaction", "INSERT INTO heauth.policy", "after", TERM_FREE_WITHIN_MS],
    ["before a commit", "COMMIT", "before", TERM_FREE_WITHIN_MS],
    ["before it writes a status", "PATCH authpolicies status heauth-auth-policy", "before", 0],
  ] as const)(
    "the one takes over from the other that is frozen %s, whose work is undone",
    async (_, write, when, longer) => {
      await findLeader();
      const tenancy = someTenancy();
      const before = await term();
      const { promise: reached, resolve: isThere } = Promise.withResolvers<void>();
      const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
      let once = false;
      leader.onWrite({
        async [when]({ name, path }: { name: string; path: string }) {
          if (once || name !== write || (path !== "" && !path.includes(`/${tenancy.name}/`))) return;
          once = true;
          leader.operator.pause();
          isThere();
          await thawed;
        },
      });
      await tenancy.putPolicy({ upstream: { trustedHops: 1 } });
      expect(await Promise.race([reached, pause(30_000, "it was not reached", { ref: false })])).toBeUndefined();
      const taken = frozen(tenancy, HANDED_OVER_WITHIN_MS + longer);
      // What it had sent arrives when the other has long taken over, and just when it wakes up.
      await Promise.race([reconciles(other, before).then(() => pause(500)), taken]);
      thaw();
      const written = await taken;
      expect(written).toEqual([]);
      await expectFollowed(tenancy, "Shadow");
      expectNothingTwice();
      swap();
    },
    120_000,
  );
});
