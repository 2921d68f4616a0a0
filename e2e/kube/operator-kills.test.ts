// The operator's process is killed before and after each write of its controllers. Whoever comes next brings all to the same end.
// Most of that is waiting for the next one to lead, so it is done in two clusters at once.
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { CONFIG_MAPS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { type OperatorRig, RELEASE_NAMESPACE } from "./operator-rig.ts";
import { expectIntactLedgers } from "./testing/intact.ts";
import { type Scenario, scenarios } from "./testing/kill-scenarios.ts";
import { startOperatorRigs } from "./testing/rigs.ts";
import { SOAK } from "./testing/soak.ts";
import { type Point, type Succession, startSuccession } from "./testing/succession.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";

/** As many as `chosen` chooses at most, beside the one where nobody is killed. */
const PREPARED_AHEAD = 2;
const PREPARED_AT_ONCE = 4;

/** A cluster in which operators are killed. */
interface Place {
  readonly rig: OperatorRig;
  readonly logins: Logins;
  readonly succession: Succession;
  readonly ended: { readonly it: Tenancy; readonly seen: unknown }[];
}

const pairs = Array.from({ length: scenarios.length / 2 }, (_, index) => scenarios.slice(2 * index, 2 * index + 2));

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

/** Where there is no time for all: the commit or request in the middle, and of those that come to many also after the last. */
function chosen(points: readonly Point[]): readonly Point[] {
  if (SOAK) return points;
  const durable = points.filter(
    ({ when, name }) => when === "before" && /^(COMMIT$|(PATCH|POST|PUT|DELETE) [a-z])/.test(name),
  );
  const middle = durable[Math.floor(durable.length / 2)];
  return [middle, durable.length > 3 ? points.at(-1) : undefined].filter((point) => point !== undefined);
}

async function prepare({ logins }: Place, scenario: Scenario, tenancies: readonly Tenancy[]): Promise<void> {
  for (let from = 0; from < tenancies.length; from += PREPARED_AT_ONCE) {
    await Promise.all(tenancies.slice(from, from + PREPARED_AT_ONCE).map((it) => scenario.prepare(it, logins)));
  }
}

describeKube("the operator is killed", () => {
  let rigs: readonly OperatorRig[] = [];
  const places: Place[] = [];
  const nameOf = (scenario: Scenario, n: number) => `t${String.fromCharCode(97 + scenarios.indexOf(scenario))}${n}`;

  async function startPlace(rig: OperatorRig, which: number): Promise<void> {
    const [logins, succession] = [await loginsOf(rig), await startSuccession(rig)];
    places[which] = { rig, logins, succession, ended: [] };
  }

  beforeAll(async () => {
    rigs = await startOperatorRigs(2);
    for (const start of await Promise.allSettled(rigs.map(startPlace)))
      if (start.status === "rejected") throw start.reason;
  }, 2 * API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await Promise.all(places.map(({ succession }) => succession.stop()));
    await Promise.all(rigs.map((rig) => rig.stop()));
  });

  async function killAnywhere(place: Place, scenario: Scenario): Promise<void> {
    const { rig, succession, ended } = place;
    // The leader that prepares them is the one that is watched: others write more, when they first meet a tenant.
    const first = new Tenancy(rig, nameOf(scenario, 0));
    const ahead = Array.from({ length: PREPARED_AHEAD }, (_, index) => new Tenancy(rig, nameOf(scenario, index + 1)));
    await prepare(place, scenario, [first, ...ahead]);
    await Promise.all([first, ...ahead].map(settled));
    let seen: unknown;
    const points = await succession.pointsOf(first, async () => {
      await scenario.act(first);
      await scenario.done(first);
      seen = await settled(first);
    });
    ended.push({ it: first, seen });
    expect(points.length).toBeGreaterThan(1);

    const attempts = chosen(points).map((point, index) => ({
      point,
      it: ahead[index] ?? new Tenancy(rig, nameOf(scenario, index + 1)),
    }));
    const more = attempts.slice(ahead.length).map(({ it }) => it);
    await prepare(place, scenario, more);
    const missed: Point[] = [];
    for (const { point, it } of attempts) {
      if (!(await succession.killAt(it, point, () => scenario.act(it)))) missed.push(point);
      await scenario.done(it);
      const end = await eventually(
        () => it.seen(),
        (now) => isDeepStrictEqual(now, seen),
        15_000,
      );
      expect({ scenario: scenario.name, point, end }).toEqual({ scenario: scenario.name, point, end: seen });
      ended.push({ it, seen });
    }
    console.log(
      `${scenario.name}: ${points.length} points, ${attempts.length} tried, not met: ${JSON.stringify(missed)}`,
    );
    expect({ scenario: scenario.name, missed }).toEqual({ scenario: scenario.name, missed: [] });
  }

  test.each(pairs.map((pair) => [pair.map(({ name }) => name).join(", or "), pair] as const))(
    "anywhere while %s: it comes to the same end",
    async (_, pair) => {
      // All of them come to an end, also where one fails: the places are used again.
      const ends = await Promise.allSettled(
        pair.map((scenario, which) => killAnywhere(places[which] as Place, scenario)),
      );
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
    SOAK ? 1_200_000 : 120_000,
  );

  test("all stays at that end, ledgers are intact, and nothing is left behind", async () => {
    for (const { rig, succession, ended } of places) {
      await succession.ready();
      for (const { it, seen } of ended) {
        expect({ name: it.name, seen: await it.seen() }).toEqual({ name: it.name, seen });
      }
      const ledgers = await expectIntactLedgers(rig);
      const known = await rig.store.superuser.query<{ name: string; deleted: boolean }>(
        "SELECT 'heauth-anchor-' || id AS name, deleted_at IS NOT NULL AS deleted FROM tenant",
      );
      const { items } = await rig.api.client.list(CONFIG_MAPS, { namespace: RELEASE_NAMESPACE });
      const kept = items.map(({ metadata }) => metadata.name ?? "").filter((name) => name.startsWith("heauth-anchor-"));
      expect(kept).toEqual(expect.arrayContaining(known.filter(({ deleted }) => deleted).map(({ name }) => name)));
      expect(known.map(({ name }) => name)).toEqual(expect.arrayContaining(kept));
      const ms = succession.takeoversMs.toSorted((a, b) => a - b).map(Math.round);
      console.log(`${ms.length} kills, ${ledgers} ledgers intact; the next one led after ${ms[0]} to ${ms.at(-1)} ms`);
    }
  }, 60_000);
});
