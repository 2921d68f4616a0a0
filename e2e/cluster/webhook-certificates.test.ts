import { X509Certificate } from "node:crypto";
import { type KubeObject, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type CertificateSet, trustBundle } from "../../operator/certificates/certificate-set.ts";
import { letNextSign, makeNextKnown, storedSet } from "../../operator/certificates/testing/aged-certificates.ts";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { podsOf } from "./testing/kill.ts";
import { type Login, peopleOf } from "./testing/people.ts";
import { createScene, type Scene } from "./testing/scene.ts";
import { servedBy } from "./testing/served.ts";
import { type Program, without } from "./testing/without.ts";

const WITHIN_MS = 150_000;
const READY_WITHIN = "--timeout=120s";
const DAY_MS = 86_400_000;
const SERVED = [200, 401];

describe("certificates that grow old, and programs that are away", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let login: Login;
  let rotation: Promise<Rotation>;
  const running = new AbortController();

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster, { replicas: 2 });
    const people = await peopleOf(cluster, scene.name, scene.client);
    login = await people.logIn(await people.create("reader"));
    rotation = rotateWebhook();
    // It is waited for later, by the test that it belongs to.
    rotation.catch(() => {});
  }, 300_000);
  afterAll(async () => {
    running.abort();
    await rotation?.catch(() => {});
    await scene?.remove();
  });

  const secret = (name: string) => ({ namespace: cluster.namespace, name });
  const namesOf = (service: string) => [
    `${service}.${cluster.namespace}.svc`,
    `${service}.${cluster.namespace}.svc.cluster.local`,
    service,
  ];
  /** What comes of a request with a session, and of one without. A sidecar that can't know of the session yet says 503. */
  async function served(url = `${scene.url}/file`): Promise<readonly number[]> {
    const withSession = await eventually(
      async () => (await scene.ask({ url, token: login.accessToken })).status,
      (status) => status !== 503,
      WITHIN_MS,
    );
    return [withSession, (await scene.ask({ url })).status];
  }
  const heauthPods = (program: Program) => podsOf(cluster, cluster.namespace, `app.kubernetes.io/component=${program}`);

  /** A pod that would be injected, made for show. */
  async function dryRun(namespace: string, name = "shown") {
    const containers = [{ name: "app", image: cluster.images.echo, args: ["listen", "8080"] }];
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app: "app" } }, spec: { containers } };
    const create = [`--namespace=${namespace}`, "create", "--dry-run=server", "--output=json", "--filename=-"];
    return await cluster.kubectl(create, JSON.stringify(pod));
  }
  async function bundles(): Promise<readonly string[]> {
    const query = ["get", "validatingwebhookconfiguration,mutatingwebhookconfiguration", "--output=json"];
    const { items } = JSON.parse(await must(cluster.kubectl(query)));
    const ours = (items as Configuration[]).filter(({ metadata }) => metadata.name === "heauth-webhook");
    const all = ours.flatMap(({ webhooks }) => webhooks.map(({ clientConfig }) => clientConfig.caBundle));
    return [...new Set(all)].map((bundle) => Buffer.from(bundle, "base64").toString());
  }
  /** The serial numbers that all pods of a program show, in the end the set's only. */
  const shown = (program: Program, set: CertificateSet) =>
    eventually(
      () => servedBy(cluster, program),
      (serials) => serials.length === 1 && serials[0] === serialOf(set),
      WITHIN_MS,
    );
  const published = (set: CertificateSet) =>
    eventually(bundles, (found) => found.length === 1 && found[0] === trustBundle(set), WITHIN_MS);

  /** Has the webhook's authority and certificate grow old, while it is asked all the time, until it has replaced both. */
  async function rotateWebhook(): Promise<Rotation> {
    const certificates = secret("heauth-webhook-certificates");
    const names = namesOf("heauth-webhook");
    const asked = { pods: 0, changes: 0, failures: [] as unknown[] };
    const loop = async (once: () => Promise<void>) => {
      while (!running.signal.aborted) await once().catch((error: unknown) => asked.failures.push(error));
    };
    const loops = [
      loop(async () => {
        await must(dryRun(scene.name));
        asked.pods += 1;
      }),
      loop(async () => {
        const displayName = `Changed ${asked.changes}`;
        await cluster.client.patch<KubeObject>(TENANTS, { name: scene.name }, { spec: { displayName } });
        asked.changes += 1;
      }),
    ];
    try {
      await published(await makeNextKnown(cluster.client, certificates, "old"));
      const old = await letNextSign(cluster.client, certificates, names);
      const renewed = await storedSet(
        cluster.client,
        certificates,
        ({ leaf, next }) => leaf.certificate !== old.leaf.certificate && next !== undefined,
      );
      const early = await published(renewed);
      const last = await storedSet(
        cluster.client,
        certificates,
        ({ authority }) => authority.certificate === renewed.next?.certificate,
      );
      const serials = await shown("webhook", last);
      const before = { ...asked };
      await eventually(
        () => asked.pods > before.pods + 3 && asked.changes > before.changes + 10,
        (enough) => enough,
        WITHIN_MS,
      );
      return { old, renewed, early, last, serials, bundles: await published(last), asked };
    } finally {
      running.abort();
      await Promise.all(loops);
    }
  }

  test("the hub's certificate is renewed, and its authority replaced, and sidecars connect anew by what they were told before", async () => {
    const certificates = secret("heauth-hub-ca");
    const both = trustBundle(await makeNextKnown(cluster.client, certificates, "new"));
    await eventually(
      () => scene.kubectl(["get", "configmap/heauth-trust", "--output=jsonpath={.data.hub-ca\\.crt}"]),
      (bundle) => bundle === both,
      WITHIN_MS,
    );
    // A pod that changes gets its files anew, which else takes the kubelet a minute or two.
    await scene.kubectl(["annotate", "pods", "--selector=app=app", "e2e=next-authority"]);
    for (const { name } of await podsOf(cluster, scene.name, "app=app")) {
      const read = ["exec", name, "--container=heauth", "--", "cat", "/etc/heauth/hub-ca.crt"];
      await eventually(
        () => scene.kubectl(read),
        (bundle) => bundle === both,
        WITHIN_MS,
      );
    }
    const old = await letNextSign(cluster.client, certificates, namesOf("heauth-hub"));
    const renewed = await storedSet(
      cluster.client,
      certificates,
      ({ leaf }) => leaf.certificate !== old.leaf.certificate,
    );
    expect(renewed.authority).toEqual(old.authority);
    const hubs = [`--namespace=${cluster.namespace}`, "annotate", "--overwrite", "pods"];
    await must(cluster.kubectl([...hubs, "--selector=app.kubernetes.io/component=hub", `e2e=${serialOf(renewed)}`]));
    expect(await shown("hub", renewed)).toEqual([serialOf(renewed)]);
    expect(await served()).toEqual(SERVED);
    // All connections are new ones, to what the new authority has signed.
    const restart = [`--namespace=${cluster.namespace}`, "rollout"];
    await must(cluster.kubectl([...restart, "restart", "deployment/heauth-hub"]));
    await must(cluster.kubectl([...restart, "status", "deployment/heauth-hub", "--timeout=180s"]));
    await scene.kubectl(["patch", "authpolicy/app", "--type=merge", '--patch={"spec":{"mode":"Shadow"}}']);
    await scene.kubectl(["wait", "authpolicy/app", "--for=condition=Enforced", READY_WITHIN]);
    expect((await scene.ask({ path: "/file" })).status).toBe(200);
    await scene.kubectl(["patch", "authpolicy/app", "--type=merge", '--patch={"spec":{"mode":"Enforce"}}']);
    await scene.kubectl(["wait", "authpolicy/app", "--for=condition=Enforced", READY_WITHIN]);
    expect(await served()).toEqual(SERVED);
  }, 400_000);

  test("without the operator pods run on, and new ones are injected and served", async () => {
    await without(cluster, "operator", async () => {
      expect(await served()).toEqual(SERVED);
      await scene.kubectl(["scale", "deployment/app", "--replicas=3"]);
      await scene.kubectl(["rollout", "status", "deployment/app", READY_WITHIN]);
      const pods = await podsOf(cluster, scene.name, "app=app");
      expect(pods).toHaveLength(3);
      for (const { ip } of pods) {
        const url = `http://${ip.includes(":") ? `[${ip}]` : ip}:8080/file`;
        expect(await served(url)).toEqual(SERVED);
      }
    });
    const all = ["--for=jsonpath={.status.pods.synced}=3", READY_WITHIN];
    await scene.kubectl(["wait", "authpolicy/app", ...all]);
  }, 240_000);

  test("the webhook's are replaced long before they expire, and nobody who asked meanwhile was refused", async () => {
    const { old, renewed, early, last, serials, bundles: now, asked } = await rotation;
    expect(asked.failures).toEqual([]);
    // The certificate at once, the authority only when the API server knows the next one for long.
    expect(remainingDays(old.leaf.certificate)).toBeCloseTo(29, 0);
    expect(remainingDays(renewed.leaf.certificate)).toBeCloseTo(90, 0);
    expect(renewed.authority).toEqual(old.authority);
    expect(early).toEqual([trustBundle(renewed)]);
    expect(remainingDays(last.authority.certificate)).toBeCloseTo(365, 0);
    expect(serials).toEqual([serialOf(last)]);
    expect(now).toEqual([trustBundle(last)]);
    console.log(
      `webhook's authority replaced: ${asked.pods} pods and ${asked.changes} changes asked meanwhile, 0 refused`,
    );
  }, 300_000);

  test("without the webhook new pods are refused where there is injection, and nowhere else; injected ones run on", async () => {
    await rotation;
    await without(cluster, "webhook", async () => {
      const said = expect.stringContaining('failed calling webhook "inject.heauth.io"');
      expect(await dryRun(scene.name)).toMatchObject({ code: 1, stderr: said });
      expect(await dryRun("default")).toMatchObject({ code: 0 });
      expect(await dryRun("kube-system")).toMatchObject({ code: 0 });
      expect(await served()).toEqual(SERVED);
      // One that is injected can be labelled, and can go; the next one is made when the webhook is back.
      const [pod] = await podsOf(cluster, scene.name, "app=app");
      await scene.kubectl(["label", `pod/${pod?.name}`, "e2e=labelled"]);
      await scene.kubectl(["delete", `pod/${pod?.name}`, "--wait=false"]);
    });
    expect(await dryRun(scene.name)).toMatchObject({ code: 0, stdout: expect.stringContaining("heauth-envoy") });
    await scene.kubectl(["rollout", "status", "deployment/app", READY_WITHIN]);
    expect(await heauthPods("webhook")).toHaveLength(2);
  }, 240_000);
});

interface Configuration {
  readonly metadata: { readonly name: string };
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle: string } }[];
}

interface Rotation {
  /** When both were due. */
  readonly old: CertificateSet;
  /** With another certificate, and the next authority made known. */
  readonly renewed: CertificateSet;
  readonly early: readonly string[];
  /** With another authority. */
  readonly last: CertificateSet;
  /** Of what the webhook's pods show. */
  readonly serials: readonly string[];
  readonly bundles: readonly string[];
  readonly asked: { readonly pods: number; readonly changes: number; readonly failures: readonly unknown[] };
}

function serialOf({ leaf }: CertificateSet): string {
  return new X509Certificate(leaf.certificate).serialNumber;
}

function remainingDays(certificate: string): number {
  return (new X509Certificate(certificate).validToDate.getTime() - Date.now()) / DAY_MS;
}
