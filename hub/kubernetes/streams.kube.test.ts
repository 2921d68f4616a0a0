import {
  API_SERVER_STARTS_WITHIN_MS,
  type ApiServer,
  createAuthority,
  describeKube,
  startApiServer,
} from "@heauth/e2e/kube";
import { uuidv7 } from "@heauth/program";
import { PODS } from "@heauth/program/kubernetes";
import { deletePolicy } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually, noRecords, type TestStream } from "../testing.ts";
import { type ClusterHub, startClusterHub, type TestPod } from "./testing.ts";

const web = { namespace: "shop", name: "web" };
const api2 = { namespace: "shop", name: "api" };
const deadline = { deadlineMs: 20_000 };
/** Looks at each caller about once a second. */
const often = { recheck: 1_500 };

describeKube("streams of pods in Kubernetes", () => {
  let api: ApiServer;
  let it: ClusterHub;
  let acme: string;

  beforeAll(async () => {
    api = await startApiServer({ crds: false });
    const authority = await createAuthority();
    it = await startClusterHub(api, { authority: authority.certificate, ...(await authority.issue("hub")) });
    acme = await it.tenant("acme");
    await it.put(acme, web);
    await it.put(acme, api2);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await it?.stop();
    await api?.stop();
  }, 30_000);

  const lookUp = async (token: string) =>
    it.client(token).call("lookUpSessions", { tenant: acme, sessions: [uuidv7()] }, deadline);
  const relabel = (pod: TestPod, labels: Record<string, string | null>) =>
    api.client.patch(PODS, pod, { metadata: { labels } });
  async function streamOf(pod: TestPod): Promise<TestStream> {
    const stream = it.stream(await it.token(pod));
    await stream.next("welcome");
    return stream;
  }

  test("a pod without a policy is told of none, is shown no sessions, and gets one as soon as there is one", async () => {
    await it.start();
    const pod = await it.pod({ labels: { app: "late" } });
    const stream = await streamOf(pod);
    await stream.probe();
    expect(stream.messages.map((message) => message.case)).toEqual(["welcome", "probeAnswer"]);
    await expect(lookUp(await it.token(pod))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await it.put(acme, { namespace: "shop", name: "late" });
    expect(await stream.next("policy")).toMatchObject({ name: "late" });
    expect(await lookUp(await it.token(pod))).toMatchObject({ sessions: [{}] });
  });

  test("of two policies that select it, a pod has the older one; the other one when that goes", async () => {
    await it.start();
    await it.put(acme, { namespace: "shop", name: "both-a" }, { app: "both" });
    await it.put(acme, { namespace: "shop", name: "both-b" }, { app: "both" });
    const stream = await streamOf(await it.pod({ labels: { app: "both" } }));
    expect(await stream.next("policy")).toMatchObject({ name: "both-a" });
    await it.operator.tenantTransaction(acme, (tx) =>
      deletePolicy(tx, noRecords, { namespace: "shop", name: "both-a" }),
    );
    expect(await stream.next("policy")).toMatchObject({ name: "both-b" });
    expect(await stream.next("policyRemoved")).toMatchObject({ name: "both-a" });
  });

  test("a pod whose labels change gets the policy that is for it now, without another stream", async () => {
    await it.start(often);
    const pod = await it.pod();
    const stream = await streamOf(pod);
    expect(await stream.next("policy")).toMatchObject(web);
    await relabel(pod, { app: "api" });
    expect(await stream.next("policy")).toMatchObject(api2);
    expect(await stream.next("policyRemoved")).toMatchObject(web);
    await relabel(pod, { app: null });
    expect(await stream.next("policyRemoved")).toMatchObject(api2);
  });

  test("a pod whose labels lead to another tenant begins anew", async () => {
    const globex = await it.tenant("globex");
    await it.put(globex, { namespace: "shop", name: "globex" });
    await it.start(often);
    const pod = await it.pod();
    const stream = await streamOf(pod);
    expect(await stream.next("policy")).toMatchObject({ tenant: acme });
    await relabel(pod, { app: "globex" });
    expect(await stream.next("goodbye")).toMatchObject({ reconnectAfterMs: 0 });
    expect(await stream.ended).toBeUndefined();
    expect(stream.messages.flatMap(({ case: kind, value }) => (kind === "policy" ? value.tenant : []))).toEqual([acme]);
    it.advance(61_000);
    expect(await (await streamOf(pod)).next("policy")).toMatchObject({ tenant: globex });
  });

  test("a pod that is being deleted ships its last records; when it is gone, its stream ends", async () => {
    await it.start(often);
    const pod = await it.pod({ node: "node-1" });
    const token = await it.token(pod);
    const stream = it.stream(token);
    await stream.next("policy");
    const journal = new TestJournal(acme, it.keys.hub, { pod: `shop/${pod.name}` });
    const by = it.client(token);
    await by.call("registerJournal", { registration: journal.body, possession: journal.possession }, deadline);
    await it.remove(pod);
    expect((await api.client.get(PODS, pod)).metadata.deletionTimestamp).toBeDefined();
    const [looks] = [await podLooks(pod)];
    await eventually(
      () => podLooks(pod),
      (now) => now >= looks + 2,
    );
    // Its orderly end: all of it, so that nobody takes its journal for lost.
    const segments = [journal.seal(decision(undefined), { type: "journal.close" })];
    const request = { tenant: acme, journal: journal.id, segments };
    expect(await by.call("appendSegments", request, deadline)).toMatchObject({ nextNumber: 1n, nextSeq: 3n });
    await stream.probe();
    await api.kubectl(["delete", "pod", pod.name, "--namespace=shop", "--force", "--grace-period=0"]);
    expect(await stream.ended).toMatchObject({ code: "UNAUTHENTICATED", message: "the pod is gone" });
    // Though its token was good within the minute.
    expect(await it.stream(token).ended).toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(by.call("appendSegments", request, deadline)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  }, 120_000);

  test("a pod that is replaced by one of its name loses its stream", async () => {
    await it.start(often);
    const former = await it.pod({ name: "twin-0" });
    const stream = await streamOf(former);
    await it.remove(former);
    await it.pod({ name: "twin-0" });
    expect(await stream.ended).toMatchObject({ code: "UNAUTHENTICATED", message: expect.stringContaining("gone") });
  });

  test("a stream ends in order with its token, and when it has lived long enough", async () => {
    await it.start();
    const expiring = await streamOf(await it.pod());
    it.advance(3_601_000);
    expect(await expiring.next("goodbye")).toMatchObject({ reconnectAfterMs: 0 });
    expect(await expiring.ended).toBeUndefined();

    await it.start({ streamLife: 1_000 });
    const old = await streamOf(await it.pod());
    await old.next("goodbye");
    expect(await old.ended).toBeUndefined();
  });

  test("while the API server is away, streams stand and known sidecars are served; nobody else, until it is back", async () => {
    await it.start({ ...often, streamLife: 24 * 3_600_000 });
    const gone = await it.pod();
    const [known, unknown, other] = [
      await it.token(await it.pod()),
      await it.token(await it.pod()),
      await it.token(gone),
    ];
    const stream = it.stream(known);
    await stream.next("policy");
    await lookUp(other);
    await api.stopServer();
    try {
      await expect(lookUp(unknown)).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterMs: 1000 });
      // Long after what the API server said was to be asked again.
      it.advance(5 * 60_000);
      await lookUp(known);
      await lookUp(other);
      await it.stream(known).next("policy");
      expect(await it.metrics()).toMatch(/^heauth_token_reviews_total{outcome="stale"} [1-9]/m);
      // Streams' callers are looked at, in vain.
      await it.looksInVain(2);
      await it.put(acme, web, { text: '{"while":"away"}' });
      expect(await stream.next("policy")).toMatchObject(web);
      await stream.probe();
      it.advance(6 * 60_000);
      await expect(lookUp(other)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    } finally {
      await api.startServer();
    }
    await it.remove(gone);
    const outcome = (token: string) =>
      lookUp(token).then(
        () => "served",
        (error) => error.code,
      );
    for (const token of [known, unknown])
      await eventually(
        () => outcome(token),
        (now) => now === "served",
      );
    expect(await outcome(other)).toBe("UNAUTHENTICATED");
    await stream.probe();
  }, 180_000);

  /** How often the hub has looked at the pod. */
  async function podLooks({ name }: TestPod): Promise<number> {
    const events = await api.audit();
    return events.filter(({ verb, objectRef }) => verb === "get" && objectRef?.name === name).length;
  }
});
