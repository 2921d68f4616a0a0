// The operator's process is killed before and after each write of its controllers. Whoever comes next brings all to the same end.
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { CONFIG_MAPS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { type OperatorRig, RELEASE_NAMESPACE, startOperatorRig } from "./operator-rig.ts";
import { expectIntactLedgers } from "./testing/intact.ts";
import { SOAK } from "./testing/soak.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";
import { startWatched, type WatchedOperator, type Write } from "./testing/writes.ts";

interface Scenario {
  readonly name: string;
  readonly prepare: (it: Tenancy) => Promise<void>;
  readonly act: (it: Tenancy) => Promise<void>;
  /** Resolves when all has come of it that is seen from outside; what is in the background may still be to come. */
  readonly done: (it: Tenancy) => Promise<void>;
}

const PREPARED_AT_ONCE = 4;
const CHANGED = { sessions: { idleTimeout: "5m" }, reclaimPolicy: "Delete" };
const nothing = async () => {};

const scenarios: readonly Scenario[] = [
  { name: "a Tenant is made", prepare: nothing, act: (it) => it.putTenant(), done: (it) => it.ready() },
  {
    name: "an AuthPolicy is made",
    prepare: (it) => it.putTenant().then(() => it.ready()),
    act: (it) => it.putPolicy(),
    done: nothing,
  },
  { name: "a Tenant is changed", prepare: (it) => it.live(), act: (it) => it.putTenant(CHANGED), done: nothing },
  {
    name: "an AuthPolicy is changed",
    prepare: (it) => it.live(),
    act: (it) => it.putPolicy({ mode: "Shadow", selector: { matchLabels: { app: "api" } } }),
    done: nothing,
  },
  {
    name: "a Tenant forbids the namespace of an AuthPolicy",
    prepare: (it) => it.live(),
    act: (it) => it.putTenant({ allowedNamespaces: { from: "None" } }),
    done: nothing,
  },
  {
    name: "an AuthPolicy that refers to nobody is made",
    prepare: nothing,
    act: (it) => it.putPolicy({ tenantRef: { name: "nobody" } }),
    done: nothing,
  },
  { name: "an AuthPolicy is deleted", prepare: (it) => it.live(), act: (it) => it.removePolicy(), done: nothing },
  {
    name: "a Tenant is deleted, its data retained",
    prepare: (it) => inUse(it),
    act: (it) => it.removeTenant(),
    done: (it) => it.gone(),
  },
  {
    name: "a Tenant is deleted with its data",
    prepare: (it) => inUse(it, { reclaimPolicy: "Delete" }),
    act: (it) => it.removeTenant(),
    done: (it) => it.gone(),
  },
  {
    name: "a Tenant takes over retained data",
    prepare: async (it) => {
      await inUse(it);
      await it.removeTenant();
      await it.gone();
    },
    act: (it) => it.putTenant({}, { "heauth.io/adopt": it.id }),
    done: (it) => it.ready({ anchored: true }),
  },
];

/** The n-th write of a name, and when: before the API server or the database has it, or after. */
interface Point {
  readonly when: "before" | "after";
  readonly name: string;
  readonly nth: number;
}

/** A leader, and one that waits to take over. */
interface Pair {
  leader: WatchedOperator;
  next: Promise<WatchedOperator>;
}

let logins: Logins;
async function inUse(it: Tenancy, spec: object = {}): Promise<void> {
  await it.live(spec);
  await logins.open(it.id);
}

/** Waits until what is seen stays as it is for a while. */
async function settled(it: Tenancy): Promise<unknown> {
  let last = await it.seen();
  for (let same = 0; same < 8; ) {
    await pause(150);
    const now = await it.seen();
    same = isDeepStrictEqual(now, last) ? same + 1 : 0;
    last = now;
  }
  return last;
}

function concerns(it: Tenancy, { path }: Write): boolean {
  if (/\/configmaps\/./.test(path)) return path.includes(it.id);
  return !/\/(tenants|authpolicies)\//.test(path) || path.includes(`/${it.name}/`) || path.includes(`/${it.name}?`);
}

/** Where there is no time for all: the commit or request in the middle, and of those that come to many also after the last. */
function chosen(points: readonly Point[]): readonly Point[] {
  if (SOAK) return points;
  const durable = points.filter(
    ({ when, name }) => when === "before" && /^(COMMIT$|(PATCH|POST|PUT|DELETE) [a-z])/.test(name),
  );
  const middle = durable[Math.floor(durable.length / 2)];
  return [middle, durable.length > 3 ? points.at(-1) : undefined].filter((point) => point !== undefined);
}

describeKube("the operator is killed", () => {
  let rig: OperatorRig;
  let pair: Pair;
  const ended: { readonly it: Tenancy; readonly seen: unknown }[] = [];
  let kills = 0;
  const takeovers: number[] = [];
  const started: Promise<WatchedOperator>[] = [];

  beforeAll(async () => {
    rig = await startOperatorRig();
    logins = await loginsOf(rig);
    const leader = await start();
    await leader.operator.said(({ msg }) => msg === "leads from now on");
    pair = { leader, next: start() };
    await pair.next;
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await Promise.all(started.map((each) => each.then((operator) => operator.stop()).catch(() => {})));
    await rig?.stop();
  });

  function start(): Promise<WatchedOperator> {
    const operator = startWatched(rig);
    started.push(operator);
    return operator;
  }

  /** Which writes there are, when nobody is killed. */
  async function undisturbed(scenario: Scenario, it: Tenancy): Promise<{ seen: unknown; points: Point[] }> {
    await scenario.prepare(it);
    await settled(it);
    const counts = new Map<string, number>();
    const points: Point[] = [];
    pair.leader.onWrite({
      before(write) {
        if (!concerns(it, write)) return;
        const nth = (counts.get(write.name) ?? 0) + 1;
        counts.set(write.name, nth);
        points.push({ when: "before", name: write.name, nth }, { when: "after", name: write.name, nth });
      },
    });
    await scenario.act(it);
    await scenario.done(it);
    const seen = await settled(it);
    pair.leader.onWrite();
    return { seen, points };
  }

  /** @returns whether it came to the point */
  async function killed(scenario: Scenario, it: Tenancy, point: Point): Promise<boolean> {
    const { leader } = pair;
    const { promise: died, resolve: dead } = Promise.withResolvers<true>();
    let count = 0;
    leader.onWrite({
      [point.when]: async (write: Write) => {
        if (write.name !== point.name || !concerns(it, write)) return;
        count += 1;
        if (count !== point.nth) return;
        await leader.operator.stop("SIGKILL");
        dead(true);
        throw new Error("whoever asked is dead");
      },
    });
    await scenario.act(it);
    const reached = await Promise.race([died, pause(8_000, false, { ref: false })]);
    leader.onWrite();
    if (!reached) return false;
    const began = performance.now();
    pair = { leader: await pair.next, next: start() };
    await pair.leader.operator.said(({ msg }) => msg === "leads from now on");
    takeovers.push(performance.now() - began);
    void leader.stop();
    kills += 1;
    return true;
  }

  const letters = scenarios.map(
    (scenario, index) => [scenario.name, `t${String.fromCharCode(97 + index)}`, scenario] as const,
  );
  test.each(letters)(
    "anywhere while %s: it comes to the same end",
    async (name, letter, scenario) => {
      const first = new Tenancy(rig, `${letter}0`);
      const { seen, points } = await undisturbed(scenario, first);
      ended.push({ it: first, seen });
      expect(points.length).toBeGreaterThan(1);
      const missed: Point[] = [];
      const attempts = chosen(points).map((point, index) => ({ point, it: new Tenancy(rig, `${letter}${index + 1}`) }));
      for (let from = 0; from < attempts.length; from += PREPARED_AT_ONCE) {
        await Promise.all(attempts.slice(from, from + PREPARED_AT_ONCE).map(({ it }) => scenario.prepare(it)));
      }
      for (const { point, it } of attempts) {
        if (!(await killed(scenario, it, point))) missed.push(point);
        await scenario.done(it);
        const end = await eventually(
          () => it.seen(),
          (now) => isDeepStrictEqual(now, seen),
          15_000,
        );
        expect({ point, end }).toEqual({ point, end: seen });
        ended.push({ it, seen });
      }
      console.log(`${name}: ${points.length} points, ${attempts.length} tried, not met: ${JSON.stringify(missed)}`);
      expect(missed).toEqual([]);
    },
    SOAK ? 1_200_000 : 120_000,
  );

  test("all stays at that end, ledgers are intact, and nothing is left behind", async () => {
    await (await pair.next).operator.ready();
    for (const { it, seen } of ended) expect({ name: it.name, seen: await it.seen() }).toEqual({ name: it.name, seen });
    const ledgers = await expectIntactLedgers(rig);
    const known = await rig.store.superuser.query<{ name: string; deleted: boolean }>(
      "SELECT 'heauth-anchor-' || id AS name, deleted_at IS NOT NULL AS deleted FROM tenant",
    );
    const { items } = await rig.api.client.list(CONFIG_MAPS, { namespace: RELEASE_NAMESPACE });
    const kept = items.map(({ metadata }) => metadata.name ?? "").filter((name) => name.startsWith("heauth-anchor-"));
    expect(kept).toEqual(expect.arrayContaining(known.filter(({ deleted }) => deleted).map(({ name }) => name)));
    expect(known.map(({ name }) => name)).toEqual(expect.arrayContaining(kept));
    const ms = takeovers.toSorted((a, b) => a - b).map(Math.round);
    console.log(`${kills} kills, ${ledgers} ledgers intact; the next one led after ${ms[0]} to ${ms.at(-1)} ms`);
  }, 60_000);
});
