// What apps, and those who use them, notice when heauth's own programs are killed under load.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { verifyLedger } from "./testing/cli.ts";
import { killContainer, type PodState, podsOf } from "./testing/kill.ts";
import { type Load, type Outcome, startLoad, tally } from "./testing/load.ts";
import { expectOnlyAllowed, expectOnRecord } from "./testing/load-records.ts";
import type { SceneOptions } from "./testing/objects.ts";
import { type Account, type Login, type People, peopleOf } from "./testing/people.ts";
import { queryRows } from "./testing/rows.ts";
import { createScene, type Scene } from "./testing/scene.ts";

/** `maxStaleness`: the default, and one that is shorter than PostgreSQL is away. */
const PATIENT_MS = 30_000;
const IMPATIENT_MS = 5_000;
/** What a sidecar knows is older by a probe and a read of the outbox, and by what a busy machine takes for them. */
const LAG_MS = 5_000;
/** PostgreSQL is away for so long beyond what the impatient one bears. */
const BEYOND_MS = 3_000;

/** Programs start again, and one takes the lease of another, in a fraction of this. */
const BACK_WITHIN_MS = 150_000;

/** An app, somebody who writes there all the time, and somebody who will log out. */
interface Stage {
  readonly scene: Scene;
  readonly people: People;
  readonly account: Account;
  readonly writer: Login;
}

describe("under load", () => {
  let cluster: InstalledCluster;
  let patient: Stage;
  let impatient: Stage;
  const scenes: Scene[] = [];
  const loads: Load[] = [];

  beforeAll(async () => {
    cluster = await installedCluster();
    const policy = { authentication: { maxStaleness: `${IMPATIENT_MS / 1000}s` } };
    [patient, impatient] = await Promise.all([setUp({}), setUp({ policy })]);
  }, 240_000);
  afterAll(async () => {
    await Promise.allSettled(loads.map((load) => load.stop()));
    await Promise.all(scenes.map((scene) => scene.remove()));
  }, 60_000);

  async function setUp(options: SceneOptions): Promise<Stage> {
    const scene = await createScene(cluster, options);
    scenes.push(scene);
    const people = await peopleOf(cluster, scene.name, scene.client);
    const account = await people.create("writer", ["writer"]);
    return { scene, people, account, writer: await people.logIn(account) };
  }

  async function begin({ scene, writer }: Stage, login = writer): Promise<Load> {
    const size = { kept: 3, fresh: 1, restMs: 100, seconds: 300 };
    const load = await startLoad(cluster, scene.client, { url: scene.url, token: login.accessToken, ...size });
    loads.push(load);
    await load.until(allowed);
    return load;
  }

  const podsOfComponent = (name: string) => podsOf(cluster, cluster.namespace, `app.kubernetes.io/component=${name}`);

  /** Kills all processes of a component's pods, and takes the pods away by force. Answers when they were dead. */
  async function kill(component: string, pods?: readonly PodState[]): Promise<number> {
    const all = pods ?? (await podsOfComponent(component));
    const times = await Promise.all(all.map((pod) => killContainer(cluster, pod, component)));
    const names = all.map(({ name }) => name);
    await must(inSystem("delete", "pod", "--force", "--grace-period=0", "--ignore-not-found", ...names));
    return Math.max(...times);
  }

  const inSystem = (...args: string[]) => cluster.kubectl([`--namespace=${cluster.namespace}`, ...args]);

  async function expectAllOnRecord({ scene, writer }: Stage, outcomes: readonly Outcome[]): Promise<void> {
    await expectOnlyAllowed(cluster, scene, await expectOnRecord(cluster, writer.tenantId, outcomes));
  }

  test("both operators killed: decisions go on, and another one goes on sealing", async () => {
    const load = await begin(patient);
    const sealed = async () => {
      const rows = await queryRows<{ size: number }>(
        cluster,
        `SELECT size FROM log_head WHERE tenant_id = '${patient.writer.tenantId}'`,
      );
      return rows[0]?.size ?? 0;
    };
    const killedAt = await kill("operator");
    const before = await sealed();
    const after = await eventually(sealed, (size) => size > before, BACK_WITHIN_MS);
    const sealedAt = Date.now();
    const outcomes = await load.stop();
    console.log(`both operators killed: ${tally(outcomes)}; sealing goes on after ${sealedAt - killedAt} ms`);
    expect(after).toBeGreaterThan(before);
    expect(others(outcomes, 200)).toEqual([]);
    await expectAllOnRecord(patient, outcomes);
  }, 300_000);

  test("both identities killed: sessions go on, and logins are back with the next one", async () => {
    const load = await begin(patient);
    const killedAt = await kill("identity");
    const login = await eventually(
      () => patient.people.logIn(patient.account),
      () => true,
      BACK_WITHIN_MS,
    );
    const backAt = Date.now();
    await load.until(({ status, sentAt }) => status === 200 && sentAt > backAt);
    const outcomes = await load.stop();
    console.log(`both identities killed: ${tally(outcomes)}; logins work after ${backAt - killedAt} ms`);
    expect(others(outcomes, 200)).toEqual([]);
    await expectAllOnRecord(patient, outcomes);
    expect((await patient.scene.ask({ token: login.accessToken })).status).toBe(200);
  }, 300_000);

  test("PostgreSQL killed: decisions go on within maxStaleness, a logout still counts, all records come in", async () => {
    const leaver = await patient.people.logIn(patient.account);
    const [calm, hasty, leaving] = await Promise.all([begin(patient), begin(impatient), begin(patient, leaver)]);
    await patient.people.logOut(leaver);
    const loggedOutAt = Date.now();
    const { downAt, upAt, readyAt } = await postgresAway(hasty);
    await Promise.all([calm, hasty].map((load) => load.until(({ status, sentAt }) => status === 200 && sentAt > upAt)));
    const backAt = Date.now();
    await leaving.until(({ status }) => status === 401);
    const [calmOnes, hastyOnes, leavers] = await Promise.all([calm.stop(), hasty.stop(), leaving.stop()]);
    const firstDenied = hastyOnes.find(({ status, sentAt }) => status === 503 && sentAt > downAt)?.sentAt ?? downAt;
    const lastAllowed = Math.max(...leavers.filter(allowed).map(({ sentAt }) => sentAt)) - loggedOutAt;
    console.log(
      `PostgreSQL killed, ready again after ${readyAt - downAt} ms: maxStaleness 30s ${tally(calmOnes)}, 5s ${tally(hastyOnes)}, 503 from ` +
        `${firstDenied - downAt} ms on; all is well after ${backAt - downAt} ms; logged out just before: ${tally(leavers)}, ` +
        `last allowed ${lastAllowed} ms after the logout`,
    );

    // Nobody who is patient loses a request, and nobody at all is told that his session is bad.
    expect(others(calmOnes, 200, 503)).toEqual([]);
    const borne = calmOnes.filter(({ answeredAt }) => answeredAt < downAt + PATIENT_MS - LAG_MS);
    expect(others(borne, 200)).toEqual([]);
    expect(others(hastyOnes, 200, 503)).toEqual([]);
    const beyond = hastyOnes.filter(({ sentAt, answeredAt }) => sentAt > downAt + IMPATIENT_MS && answeredAt < upAt);
    expect(beyond.length).toBeGreaterThan(0);
    expect(others(beyond, 503)).toEqual([]);
    expect(others(leavers, 200, 401, 503)).toEqual([]);
    expect(lastAllowed).toBeLessThanOrEqual(PATIENT_MS);
    await expectAllOnRecord(patient, [...calmOnes, ...leavers]);
    await expectAllOnRecord(impatient, hastyOnes);
  }, 300_000);

  /** Kills it and keeps it away for longer than the impatient one bears. Answers since when, until when for certain, and from when on it is ready. */
  async function postgresAway(hasty: Load): Promise<{ downAt: number; upAt: number; readyAt: number }> {
    const scale = (replicas: number) =>
      must(inSystem("scale", "statefulset/heauth-postgres", `--replicas=${replicas}`));
    const pods = await podsOfComponent("postgres");
    try {
      const [downAt] = await Promise.all([kill("postgres", pods), scale(0)]);
      await hasty.until(({ status, sentAt }) => status === 503 && sentAt > downAt);
      await pause(downAt + IMPATIENT_MS + BEYOND_MS - Date.now());
      const upAt = Date.now();
      await scale(1);
      await must(inSystem("rollout", "status", "statefulset/heauth-postgres", "--timeout=120s"));
      return { downAt, upAt, readyAt: Date.now() };
    } catch (error) {
      await scale(1);
      throw error;
    }
  }

  test("the ledgers are intact and complete", async () => {
    for (const { scene } of [patient, impatient]) {
      const { code, stdout, stderr } = await eventually(
        () => verifyLedger(cluster, scene.name, "--require-anchor", "--require-complete"),
        (verdict) => verdict.code === 0,
        60_000,
      );
      expect({ code, said: `${stdout}${stderr}` }).toMatchObject({ code: 0 });
    }
  }, 150_000);
});

const allowed = ({ status }: Outcome) => status === 200;

/** Some of those with none of the statuses. */
function others(outcomes: readonly Outcome[], ...statuses: readonly number[]): readonly Outcome[] {
  return outcomes.filter(({ status }) => !statuses.includes(status)).slice(0, 5);
}
