import { join } from "node:path";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs, createMetrics, uuidv7 } from "@heauth/program";
import { type ClusterClient, NAMESPACES, openCluster, PODS, SERVICE_ACCOUNTS } from "@heauth/program/kubernetes";
import { giveJournals, insertSegments, LedgerWriter } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { LostJournals } from "../../jobs/lost-journals/lost-journals.ts";
import { namespaceObject, podObject } from "../../testing/kube-objects.ts";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { KubernetesSource } from "./kubernetes-source.ts";
import { clusterPodLives } from "./pod-lives.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const RIGHTS = join(import.meta.dirname, "../../../manifests/rbac/operator.yaml");

interface TestPod {
  readonly name: string;
  readonly uid: string;
}

describeKube("journals of pods on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let door: Awaited<ReturnType<ApiServer["proxied"]>>;
  /** With the rights of `heauth operator`. */
  let client: ClusterClient;
  let rig: SealRig;
  let tenant: SealedTenant;
  let source: KubernetesSource;
  let job: LostJournals;
  let lost: string[];

  beforeAll(async () => {
    [server, rig] = await Promise.all([startApiServer({ auditLog: false }), SealRig.open()]);
    api = server.client;
    for (const name of ["heauth-system", "shop"]) await api.create(NAMESPACES, namespaceObject(name));
    // A pod needs one, and there is no controller that makes it.
    await api.create(SERVICE_ACCOUNTS, { metadata: { namespace: "shop", name: "default" } });
    const { code, stderr } = await server.kubectl(["apply", "-f", RIGHTS]);
    if (code !== 0) throw new Error(stderr);
    door = await server.proxied();
    const kubeconfig = await door.kubeconfig({ serviceAccount: "heauth-operator", namespace: "heauth-system" });
    ({ client } = await openCluster({ kubeconfig }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await server?.stop();
    await rig?.drop();
  }, 30_000);

  beforeEach(async () => {
    tenant = await rig.tenant();
    source = new KubernetesSource({ client, namespace: "heauth-system", log, metrics: createMetrics() });
    await source.start();
    lost = [];
    job = new LostJournals({
      database: rig.operator,
      recorder: new LedgerWriter({ program: "operator", programKey: rig.keys.operator }),
      pods: clusterPodLives(client, source),
      graceMs: 0,
      onLost: ({ pod }) => lost.push(pod),
      onFailure: (_, error) => {
        throw error;
      },
    });
  });
  afterEach(async () => {
    await source.stop();
    await rig.store.superuser.query("UPDATE journal_head SET final = true");
  });

  /** A pod with a journal that has a record. `node`: deleted, it stays until its kubelet says that it has ended; there is none. */
  async function podWithJournal(name: string, node?: string): Promise<TestPod> {
    const object = podObject("shop", name, {}, { injected: true });
    const { metadata } = await api.create(PODS, {
      ...object,
      spec: { ...(object["spec"] as object), ...(node && { nodeName: node }) },
    });
    const pod = { name, uid: metadata.uid ?? "" };
    await journalOf(pod);
    await until(() => source.pod({ namespace: "shop", name })?.uid === pod.uid);
    return pod;
  }

  async function journalOf({ name, uid }: TestPod): Promise<void> {
    const journal = new TestJournal(tenant.id, rig.keys.hub, { pod: `shop/${name}` });
    await rig.hub.transaction(async (tx) => {
      await journal.register(tx, rig.keys.hub);
      await giveJournals(tx, tenant.id, [journal.id], uid);
      await insertSegments(tx, tenant.id, journal.id, [journal.seal(decision(undefined))]);
    });
  }

  /** Rounds until it holds; what does not come within the test's own time fails it. */
  async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      await rig.store.superuser.query("SELECT pg_sleep(0.05)");
      await job.round();
    }
  }

  const remove = ({ name }: TestPod) => api.remove(PODS, { namespace: "shop", name });
  const status = ({ name }: TestPod, value: object) =>
    api.patch(PODS, { namespace: "shop", name }, { status: value }, { subresource: "status" });
  const gaps = async () =>
    (await tenant.verify()).incomplete.map(({ pod, from, reason }) => `${pod} ${from} ${reason}`);
  const alerts = () =>
    tenant.sql<{ pod: string }>(
      "SELECT details ->> 'pod' AS pod FROM alert WHERE tenant_id = $1 AND reason = 'JournalLost'",
    );

  test("a pod that is gone leaves a gap and an alert; those that are there, or are being deleted, do not", async () => {
    const [gone, going, there] = [
      await podWithJournal("gone"),
      await podWithJournal("going", "node-1"),
      await podWithJournal("there"),
    ];
    for (let n = 0; n < 3; n++) await job.round();
    expect(lost).toEqual([]);
    await remove(going);
    await remove(gone);
    await until(() => lost.length > 0);
    for (let n = 0; n < 3; n++) await job.round();
    expect(source.pod({ namespace: "shop", name: going.name })?.deleting).toBe(true);
    expect(await gaps()).toEqual(["shop/gone 2 JournalLost"]);
    expect(await alerts()).toEqual([{ pod: "shop/gone" }]);
    await remove(there);
  }, 60_000);

  test("another pod of its name does not stand for it", async () => {
    const former = await podWithJournal("db-0");
    await remove(former);
    const later = await podWithJournal("db-0");
    await until(() => lost.length > 0);
    expect(await gaps()).toEqual(["shop/db-0 2 JournalLost"]);
    await remove(later);
  }, 60_000);

  test("a pod that has ended is gone when its sidecar has ended, too", async () => {
    const pod = await podWithJournal("job-0", "node-1");
    const sidecar = { name: "heauth", image: "heauth", imageID: "", ready: false, restartCount: 0 };
    const running = { ...sidecar, state: { running: {} } };
    await status(pod, { phase: "Failed", initContainerStatuses: [running] });
    await until(() => source.pod({ namespace: "shop", name: pod.name }) === undefined);
    for (let n = 0; n < 3; n++) await job.round();
    expect(lost).toEqual([]);
    const terminated = { ...sidecar, state: { terminated: { exitCode: 137 } } };
    await status(pod, { initContainerStatuses: [terminated] });
    await until(() => lost.length > 0);
    expect(await gaps()).toEqual(["shop/job-0 2 JournalLost"]);
  }, 60_000);

  test("while the API server is away no journal is lost, nor afterwards that of a pod that is there", async () => {
    await podWithJournal("here");
    // Known to nobody: it might as well be one that was not heard of yet.
    await journalOf({ name: "nowhere", uid: uuidv7() });
    door.refuse();
    try {
      for (let n = 0; n < 3; n++) await expect(job.round()).rejects.toMatchObject({ name: "ClusterError" });
      // An operator that starts now knows of no pod at all.
      const blind = new KubernetesSource({ client, namespace: "heauth-system", log, metrics: createMetrics() });
      expect(clusterPodLives(client, blind).seems({ namespace: "shop", name: "here", uid: "x" })).toBe(true);
    } finally {
      door.allow();
    }
    expect(lost).toEqual([]);
    while (lost.length === 0) await job.round().catch(() => undefined);
    for (let n = 0; n < 3; n++) await job.round();
    expect(await gaps()).toEqual(["shop/nowhere 2 JournalLost"]);
  }, 60_000);
});
