// Promise 1, "No request without a record", while pods, and what is in them, come and go under load.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { verifyLedger } from "./testing/cli.ts";
import { killContainer, type PodState, podsOf } from "./testing/kill.ts";
import { type Load, type Outcome, startLoad, tally } from "./testing/load.ts";
import { expectOnlyAllowed, expectOnRecord } from "./testing/load-records.ts";
import { type Login, peopleOf } from "./testing/people.ts";
import { queryRows } from "./testing/rows.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const WITHIN = "--timeout=150s";
const BUSY = { kept: 3, fresh: 2, restMs: 100 };
/** Between two requests of theirs, connections are idle for as long as most clients' are at times. */
const CALM = { kept: 4, fresh: 0, restMs: 1_500 };
/** What the kubelet finds out about containers after its start, it finds out in this time. */
const KUBELET_SETTLES_MS = 5_000;

describe("under load", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let writer: Login;
  const loads: Load[] = [];

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster, { replicas: 2 });
    const people = await peopleOf(cluster, scene.name, scene.client);
    writer = await people.logIn(await people.create("writer", ["writer"]));
  }, 240_000);
  afterAll(async () => {
    await Promise.allSettled(loads.map((load) => load.stop()));
    await scene?.remove();
  }, 60_000);

  /** Through the app's Service, or to one pod; answers when requests are let through. */
  async function begin(url = scene.url, size = BUSY): Promise<Load> {
    const load = await startLoad(cluster, scene.client, { url, token: writer.accessToken, seconds: 300, ...size });
    loads.push(load);
    await load.until(allowed);
    return load;
  }

  const apps = () => podsOf(cluster, scene.name, "app=app");

  /** Kills a container's processes under load and waits until its pod lets requests through again. */
  async function kill(pod: PodState, container: string) {
    const [through, direct] = [await begin(), await begin(`http://${pod.ip}:8080`)];
    const killedAt = await killContainer(cluster, pod, container);
    const { answeredAt } = await direct.until((one) => allowed(one) && one.sentAt > killedAt);
    await through.until(({ status, sentAt }) => status === 200 && sentAt > answeredAt);
    const [service, own] = [await through.stop(), await direct.stop()];
    const back = `back after ${answeredAt - killedAt} ms`;
    console.log(`${container} killed: ${back}; its pod ${tally(own)}, the Service ${tally(service)}`);
    return [...service, ...own];
  }

  async function expectRestarted(before: PodState, container: string): Promise<void> {
    const restarts = ({ containers }: PodState) =>
      Object.fromEntries(containers.map((each) => [each.name, each.restarts]));
    const now = await eventually(
      async () => (await apps()).find(({ name }) => name === before.name) as PodState,
      (pod) => restarts(pod)[container] !== restarts(before)[container],
      30_000,
    );
    const wanted = { ...restarts(before), [container]: (restarts(before)[container] ?? 0) + 1 };
    expect([now.uid, now.ip, restarts(now)]).toEqual([before.uid, before.ip, wanted]);
  }

  test("a rolling update: no request fails, no record is lost, and no journal is left open", async () => {
    const before = await apps();
    const [load, calm] = await Promise.all([begin(), begin(scene.url, CALM)]);
    const startedAt = Date.now();
    await scene.kubectl(["rollout", "restart", "deployment/app"]);
    await scene.kubectl(["rollout", "status", "deployment/app", WITHIN]);
    const rolledOutAt = Date.now();
    await scene.kubectl(["wait", "--for=delete", ...before.map(({ name }) => `pod/${name}`), WITHIN]);
    const goneAt = Date.now();
    await load.until(({ status, sentAt }) => status === 200 && sentAt > goneAt);
    const outcomes = [...(await load.stop()), ...(await calm.stop())];
    const times = `rolled out after ${rolledOutAt - startedAt} ms, the last old pod gone after ${goneAt - startedAt} ms`;
    console.log(`rolling update: ${tally(outcomes)}; ${times}`);

    expect(outcomes.filter((one) => !allowed(one)).slice(0, 5)).toEqual([]);
    expect(new Set(outcomes.map(({ pod }) => pod)).size).toBe(4);
    await expectOnlyAllowed(cluster, scene, await expectOnRecord(cluster, writer.tenantId, outcomes));
    for (const { name } of before) expect(await journalEnds(name)).toEqual(["Stopped"]);
  }, 300_000);

  test("a sidecar killed: 503 until it is back, nothing let through without a record, the pod goes on", async () => {
    const [pod] = (await apps()) as [PodState];
    const outcomes = await kill(pod, "heauth");
    expect(outcomes.filter(({ status }) => status !== 200 && status !== 503).slice(0, 5)).toEqual([]);
    await expectOnlyAllowed(cluster, scene, await expectOnRecord(cluster, writer.tenantId, outcomes));
    await expectRestarted(pod, "heauth");
    expect(await journalEnds(pod.name)).toEqual(["Recovered"]);
  }, 180_000);

  test("an Envoy killed: connections break and none gets past it, the pod goes on", async () => {
    const pod = (await apps()).at(-1) as PodState;
    const outcomes = await kill(pod, "heauth-envoy");
    expect(outcomes.filter(({ status }) => ![200, 503, 0].includes(status)).slice(0, 5)).toEqual([]);
    expect(outcomes.filter(({ failure }) => failure !== "" && !isBroken(failure)).slice(0, 5)).toEqual([]);
    await expectOnlyAllowed(cluster, scene, await expectOnRecord(cluster, writer.tenantId, outcomes));
    await expectRestarted(pod, "heauth-envoy");
  }, 180_000);

  test("the node's kubelet killed: nobody who is connected notices, and no container starts again", async () => {
    const before = await apps();
    // By address: the cluster's DNS may be out of its own Service for that moment, too.
    const address = await scene.kubectl(["get", "service", "app", "-o=jsonpath={.spec.clusterIPs[0]}"]);
    const [load, direct] = [await begin(`http://${address}`), await begin(`http://${before[0]?.ip}:8080`)];
    const old = await kubelet();
    await must(cluster.onNode("kill", ["-KILL", old]));
    const killedAt = Date.now();
    await eventually(kubelet, (pid) => pid !== "" && pid !== old, 60_000);
    // Nothing tells when it has looked at every container; that it serves again comes before.
    await eventually(
      () => direct.outcomes(),
      () => true,
      60_000,
    );
    const servesAt = Date.now();
    await pause(KUBELET_SETTLES_MS);
    await scene.kubectl(["wait", "pods", "--selector=app=app", "--for=condition=Ready", WITHIN]);
    const [service, own] = [await load.stop(), await direct.stop()];
    const away = `serves again after ${servesAt - killedAt} ms`;
    console.log(`kubelet killed: ${away}; a pod ${tally(own)}, the Service ${tally(service)}, ${refusedFor(service)}`);

    expect(own.filter((one) => !allowed(one)).slice(0, 5)).toEqual([]);
    expect(service.filter((one) => one.kept && !allowed(one)).slice(0, 5)).toEqual([]);
    // A kubelet that starts takes containers with a startup probe for not started until it has asked them: for that moment there may be no
    // pod in the Service, and new connections to it are refused then.
    expect(service.filter((one) => !allowed(one) && one.failure !== "ECONNREFUSED").slice(0, 5)).toEqual([]);
    await expectOnlyAllowed(cluster, scene, await expectOnRecord(cluster, writer.tenantId, [...service, ...own]));
    expect(await apps()).toEqual(before);
  }, 180_000);

  test("the ledger is intact and complete", async () => {
    const { code, stdout, stderr } = await eventually(
      () => verifyLedger(cluster, scene.name, "--require-anchor", "--require-complete"),
      (verdict) => verdict.code === 0,
      60_000,
    );
    expect({ code, said: `${stdout}${stderr}` }).toMatchObject({ code: 0 });
    expect(await queryRows(cluster, `SELECT record FROM audit_record WHERE type = 'gap' AND ${ofTenant()}`)).toEqual(
      [],
    );
  }, 90_000);

  const ofTenant = () => `tenant_id = '${writer.tenantId}'`;

  /** How the journals of a pod ended, the oldest first, as soon as one has. */
  async function journalEnds(pod: string): Promise<readonly string[]> {
    const isEnd = `type = 'journal.close' AND pod = '${scene.name}/${pod}' AND ${ofTenant()}`;
    const rows = await eventually(
      () => queryRows<{ reason: string }>(cluster, `SELECT reason FROM audit_record WHERE ${isEnd} ORDER BY at`),
      ({ length }) => length > 0,
      30_000,
    );
    return rows.map(({ reason }) => reason);
  }

  /** Its process id on the node; empty while there is none. */
  async function kubelet(): Promise<string> {
    return (await cluster.onNode("pgrep", ["-x", "kubelet"])).stdout.trim();
  }
});

const allowed = ({ status }: Outcome) => status === 200;

const isBroken = (failure: string) =>
  /^(ECONNREFUSED|ECONNRESET|EPIPE|EOF|EOF within|closed while idle)$/.test(failure);

/** How long new connections were refused. */
function refusedFor(outcomes: readonly Outcome[]): string {
  const refused = outcomes.filter(({ failure }) => failure === "ECONNREFUSED").map(({ sentAt }) => sentAt);
  return `new connections refused for ${refused.length === 0 ? 0 : Math.max(...refused) - Math.min(...refused)} ms`;
}
