import { fileURLToPath } from "node:url";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs, createMetrics, type Metrics, pause } from "@heauth/program";
import {
  type ClusterClient,
  CONFIG_MAPS,
  isClusterError,
  NAMESPACES,
  openCluster,
  SECRETS,
} from "@heauth/program/kubernetes";
import { createManualClock, type ManualClock } from "@heauth/program/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { type CertificateSet, fromSecretData, trustBundle } from "../certificates/certificate-set.ts";
import { issueAuthority, issueLeaf } from "../certificates/issue.ts";
import { parsedCertificate, validityOf } from "../certificates/pair.ts";
import type { EventText, Regarding } from "../runtime/events.ts";
import { namespaceObject } from "../testing/kube-objects.ts";
import type { HubSecret } from "./hub-secret.ts";
import { createTrust, type Trust } from "./trust.ts";
import { type ConfigMap, TRUST } from "./trust-map.ts";

const MANIFESTS = fileURLToPath(new URL("../../manifests/", import.meta.url));
const OWN = "heauth-system";
const ACCOUNT = { serviceAccount: "heauth-operator", namespace: OWN };
const HUB = { namespace: OWN, name: "heauth-hub-tls" };
const AUTHORITY = { namespace: OWN, name: "heauth-hub-ca" };
const DAY = 86_400_000;
const HOUR = 3_600_000;
const { log } = createLogs({ program: "test", level: "silent" });

interface Leader {
  readonly trust: Trust;
  readonly metrics: Metrics;
  readonly events: readonly (readonly [Regarding, EventText])[];
  /** Another one leads from now on. Resolves when this one has ended. */
  lose(): Promise<void>;
  stop(): Promise<void>;
}

describeKube("what sidecars trust, under the operator's account", () => {
  let server: ApiServer;
  let admin: ClusterClient;
  let clock: ManualClock;
  let ledgerKeys: string;
  let leaders: Leader[];
  let namespaces = 0;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    admin = server.client;
    expect(
      await server.kubectl(["apply", "-f", `${MANIFESTS}namespace.yaml`, "-f", `${MANIFESTS}rbac/operator.yaml`]),
    ).toMatchObject({ code: 0 });
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  beforeEach(() => {
    clock = createManualClock(Date.now());
    ledgerKeys = "keys of today";
    leaders = [];
  });
  afterEach(async () => {
    await Promise.all(leaders.map((leader) => leader.stop()));
    const gone = (error: unknown) => {
      if (!isClusterError(error, "NotFound")) throw error;
    };
    for (const name of [HUB, AUTHORITY]) await admin.remove(SECRETS, name).catch(gone);
    for (const { metadata } of (await admin.list(NAMESPACES, { labelSelector: "heauth.io/injection" })).items) {
      await admin.patch(
        NAMESPACES,
        { name: metadata.name ?? "" },
        { metadata: { labels: { "heauth.io/injection": null } } },
      );
    }
    for (const { metadata } of (await admin.list(CONFIG_MAPS, { fieldSelector: `metadata.name=${TRUST}` })).items) {
      await admin.remove(CONFIG_MAPS, { namespace: metadata.namespace ?? "", name: TRUST });
    }
  });

  async function lead({ began = true } = {}): Promise<Leader> {
    const { client } = await openCluster({ kubeconfig: await server.kubeconfig(ACCOUNT) });
    const metrics = createMetrics();
    const events: [Regarding, EventText][] = [];
    const trust = createTrust({
      client,
      namespace: OWN,
      secret: HUB.name,
      service: "heauth-hub",
      ledgerKeys: () => ledgerKeys,
      events: { record: (...of) => void events.push(of) },
      replica: `test-${leaders.length}`,
      clock,
      everyMs: 100,
      log,
      metrics,
    });
    const lost = new AbortController();
    let leading = Promise.resolve();
    const leader: Leader = {
      trust,
      metrics,
      events,
      async lose() {
        lost.abort();
        await leading;
      },
      async stop() {
        await leader.lose();
        await trust.stop(AbortSignal.timeout(5_000));
      },
    };
    leaders.push(leader);
    await trust.start();
    if (began) leading = trust.lead(lost.signal);
    return leader;
  }

  async function makeNamespace(labels: Record<string, string> = { "heauth.io/injection": "enabled" }): Promise<string> {
    const name = `apps-${++namespaces}`;
    await admin.create(NAMESPACES, namespaceObject(name, labels));
    return name;
  }
  const map = (namespace: string) => orUndefined(admin.get<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST }));
  const dataOf = async (namespace: string) => (await map(namespace))?.data;
  const hubSecret = () => orUndefined(admin.get<HubSecret>(SECRETS, HUB));
  const text = (secret: HubSecret | undefined, key: string) =>
    Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
  async function stored(): Promise<CertificateSet | undefined> {
    return fromSecretData((await orUndefined(admin.get<HubSecret>(SECRETS, AUTHORITY)))?.data);
  }
  async function eventually<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
    for (let tries = 0; ; tries++) {
      const answer = await ask();
      if (holds(answer)) return answer;
      if (tries === 600) throw new Error(`it did not come to be within 30 s: ${JSON.stringify(answer)}`);
      await pause(50);
    }
  }
  const trusts = (namespace: string, bundle: string) =>
    eventually(
      () => dataOf(namespace),
      (data) => data?.["hub-ca.crt"] === bundle,
    );
  /** The ConfigMap once it is there. */
  const given = (namespace: string) =>
    eventually(
      () => map(namespace),
      (found) => found !== undefined,
    );

  test("the first certificate, for the Service's names, and who signed it in every labelled namespace", async () => {
    const [first, second, plain] = [
      await makeNamespace(),
      await makeNamespace({ "heauth.io/injection": "required" }),
      await makeNamespace({}),
    ];
    await admin.patch(NAMESPACES, { name: OWN }, { metadata: { labels: { "heauth.io/injection": "enabled" } } });
    const { metrics } = await lead();
    await given(first);
    const late = await makeNamespace();
    const set = (await stored()) as CertificateSet;
    for (const namespace of [first, second, late]) {
      const { data, metadata } = (await given(namespace)) as ConfigMap;
      expect(data).toEqual({ "hub-ca.crt": trustBundle(set), "ledger-keys.json": "keys of today" });
      expect(metadata.labels).toEqual({ "app.kubernetes.io/managed-by": "heauth" });
    }
    for (const namespace of [plain, OWN]) expect(await map(namespace)).toBeUndefined();

    const secret = await hubSecret();
    expect(secret?.type).toBe("kubernetes.io/tls");
    expect(Object.keys(secret?.data ?? {}).sort()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
    expect(text(secret, "tls.key")).toBe(set.leaf.key);
    expect(text(secret, "ca.crt")).toBe(trustBundle(set));
    const names = ["heauth-hub.heauth-system.svc", "heauth-hub.heauth-system.svc.cluster.local", "heauth-hub"];
    expect(parsedCertificate(text(secret, "tls.crt"))?.subjectAltName).toBe(
      names.map((name) => `DNS:${name}`).join(", "),
    );
    const shown = await metrics.text();
    expect(shown).toMatch(/^heauth_certificate_expiry_seconds\{certificate="hub"\} 777\d{4}/m);
    expect(shown).toMatch(/^heauth_certificate_expiry_seconds\{certificate="hub-authority"\} 3\d{7}/m);
    await eventually(
      () => metrics.text(),
      (page) =>
        /^heauth_trust_namespaces\{state="current"\} 3$/m.test(page) &&
        /^heauth_trust_namespaces\{state="behind"\} 0$/m.test(page),
    );
    await admin.patch(NAMESPACES, { name: OWN }, { metadata: { labels: { "heauth.io/injection": null } } });
  });

  test("nothing is written again while nothing differs, also not by the next leader", async () => {
    const namespace = await makeNamespace();
    const first = await lead();
    const before = [await given(namespace), await hubSecret(), await stored()];
    await first.lose();
    const since = (await server.audit()).length;
    const next = await lead();
    await eventually(
      () => next.metrics.text(),
      (page) => page.includes('heauth_certificate_expiry_seconds{certificate="hub"}'),
    );
    const other = await makeNamespace();
    await given(other);
    expect([await map(namespace), await hubSecret(), await stored()]).toEqual(before);
    const writes = (await server.audit())
      .slice(since)
      .filter(({ verb, user }) => verb === "patch" && user.username.endsWith(":heauth-operator"));
    expect(new Set(writes.map(({ objectRef }) => objectRef?.namespace))).toEqual(new Set([other]));
  });

  test("what somebody does to it is put right, other keys and what is beside it are left alone", async () => {
    const namespace = await makeNamespace();
    await lead();
    const right = (await given(namespace)) as ConfigMap;
    const set = (await stored()) as CertificateSet;
    const name = { namespace, name: TRUST };
    const isRight = (found: ConfigMap | undefined) =>
      found?.data?.["hub-ca.crt"] === right.data?.["hub-ca.crt"] &&
      found?.data?.["ledger-keys.json"] === "keys of today" &&
      found.metadata.annotations?.["heauth.io/kept-by"] !== undefined;
    for (const spoil of [
      () => admin.remove(CONFIG_MAPS, name),
      () => admin.patch(CONFIG_MAPS, name, { data: { "hub-ca.crt": "mine", more: "kept" } }),
      () => admin.patch(CONFIG_MAPS, name, { data: null }),
      () => admin.patch(CONFIG_MAPS, name, { metadata: { annotations: null } }),
    ]) {
      const { metadata } = (await map(namespace)) as ConfigMap;
      await spoil();
      await eventually(
        () => map(namespace),
        (found) => isRight(found) && found?.metadata.resourceVersion !== metadata.resourceVersion,
      );
    }
    await admin.patch(CONFIG_MAPS, name, { data: { "hub-ca.crt": "mine", more: "kept" } });
    expect((await eventually(() => map(namespace), isRight))?.data?.["more"]).toBe("kept");

    const other = await issueAuthority(Date.now());
    for (const spoil of [
      () => admin.remove(SECRETS, HUB),
      () => admin.patch(SECRETS, HUB, { data: { "tls.crt": Buffer.from(other.certificate).toString("base64") } }),
      () => admin.remove(SECRETS, AUTHORITY),
      () => admin.patch(SECRETS, AUTHORITY, { data: { "ca.key": Buffer.from(other.key).toString("base64") } }),
    ]) {
      await spoil();
      await eventually(
        async () => [text(await hubSecret(), "tls.crt"), (await stored())?.authority.key],
        ([leaf, key]) => leaf === set.leaf.certificate && key === set.authority.key,
      );
    }
    expect(await dataOf(namespace)).toMatchObject({ "hub-ca.crt": trustBundle(set) });
  });

  test("the keys' file is followed; after the label has gone the ConfigMap is kept up to date, and is not made again", async () => {
    const [staying, leaving] = [await makeNamespace(), await makeNamespace()];
    await lead();
    for (const namespace of [staying, leaving]) await given(namespace);
    await admin.patch(NAMESPACES, { name: leaving }, { metadata: { labels: { "heauth.io/injection": null } } });
    ledgerKeys = "keys of tomorrow";
    for (const namespace of [staying, leaving]) {
      await eventually(
        () => dataOf(namespace),
        (data) => data?.["ledger-keys.json"] === "keys of tomorrow",
      );
    }
    await admin.remove(CONFIG_MAPS, { namespace: leaving, name: TRUST });
    ledgerKeys = "keys of the day after";
    await eventually(
      () => dataOf(staying),
      (data) => data?.["ledger-keys.json"] === "keys of the day after",
    );
    expect(await map(leaving)).toBeUndefined();
  });

  test("a ConfigMap of that name that is nobody's of ours is left alone where there is no injection, and taken over where there is", async () => {
    const namespace = await makeNamespace({});
    await admin.create(CONFIG_MAPS, {
      metadata: { namespace, name: TRUST },
      data: { "hub-ca.crt": "theirs" },
    } as ConfigMap);
    await lead();
    await given(await makeNamespace());
    expect(await dataOf(namespace)).toEqual({ "hub-ca.crt": "theirs" });
    await admin.patch(NAMESPACES, { name: namespace }, { metadata: { labels: { "heauth.io/injection": "enabled" } } });
    await trusts(namespace, trustBundle((await stored()) as CertificateSet));
  });

  test("where it can't be written, that is told of, and the others have it", async () => {
    const [closed, open] = [await makeNamespace(), await makeNamespace()];
    await admin.create(CONFIG_MAPS, {
      metadata: { namespace: closed, name: TRUST },
      immutable: true,
      data: { "hub-ca.crt": "theirs" },
    } as ConfigMap & { immutable: boolean });
    const { metrics, events } = await lead();
    await given(open);
    await eventually(
      async () => events,
      (told) => told.length > 0,
    );
    expect(events).toEqual([
      [
        { apiVersion: "v1", kind: "Namespace", name: closed },
        expect.objectContaining({
          type: "Warning",
          reason: "TrustNotWritten",
          note: expect.stringMatching(/can't be written: Invalid: .*immutable/),
        }),
      ],
    ]);
    expect(await metrics.text()).toMatch(/^heauth_trust_namespaces\{state="behind"\} 1$/m);
    await admin.remove(CONFIG_MAPS, { namespace: closed, name: TRUST });
    await trusts(closed, trustBundle((await stored()) as CertificateSet));
  });

  describeRenewal();
  function describeRenewal(): void {
    test("a leaf is renewed at two thirds of its life, under the same authority", async () => {
      clock = createManualClock(Date.now() - 61 * DAY);
      const namespace = await makeNamespace();
      await lead();
      const { data } = (await given(namespace)) as ConfigMap;
      const first = (await stored()) as CertificateSet;
      clock.advance(59 * DAY);
      const renewed = async () => (await stored())?.leaf.certificate !== first.leaf.certificate;
      await pause(300);
      expect(await renewed()).toBe(false);
      clock.advance(2 * DAY);
      await eventually(renewed, Boolean);
      const second = (await stored()) as CertificateSet;
      expect(second.authority).toEqual(first.authority);
      await eventually(
        async () => text(await hubSecret(), "tls.crt"),
        (leaf) => leaf === second.leaf.certificate,
      );
      expect(await dataOf(namespace)).toEqual(data);
    });

    test("the next authority is trusted everywhere for an hour before it signs, and the former one as long as what it signed is good", async () => {
      clock = createManualClock(Date.now() - 400 * DAY);
      const namespace = await makeNamespace();
      await lead();
      await given(namespace);
      const first = (await stored()) as CertificateSet;
      clock.advance(250 * DAY);
      const second = (await eventually(stored, (set) => set?.next !== undefined)) as CertificateSet;
      expect(second.authority).toEqual(first.authority);
      expect(second.leaf).not.toEqual(first.leaf);
      await trusts(namespace, trustBundle(second));
      expect(text(await hubSecret(), "tls.crt")).toBe(second.leaf.certificate);

      // Somewhere else an older bundle stands: nobody signs by the new one, however long that is so.
      const behind = await makeNamespace();
      await given(behind);
      await lock(behind, first.authority.certificate);
      clock.advance(DAY);
      await pause(500);
      expect((await stored())?.next).toEqual(second.next);
      await admin.remove(CONFIG_MAPS, { namespace: behind, name: TRUST });
      await trusts(behind, trustBundle(second));
      await pause(500);
      expect((await stored())?.next).toEqual(second.next);
      clock.advance(HOUR + 1);
      const third = (await eventually(stored, (set) => set?.next === undefined)) as CertificateSet;
      expect(third.authority).toEqual(second.next);
      expect(third.former?.certificate).toBe(first.authority.certificate);
      await trusts(namespace, trustBundle(third));
      await eventually(
        async () => text(await hubSecret(), "tls.crt"),
        (leaf) => leaf === third.leaf.certificate,
      );

      clock.advance(91 * DAY);
      const fourth = (await eventually(
        stored,
        (set) => set !== undefined && set.former === undefined,
      )) as CertificateSet;
      await trusts(namespace, fourth.authority.certificate);
    }, 60_000);
  }

  /** Puts an older bundle there, as ours, in a way that can't be mended. */
  async function lock(namespace: string, bundle: string): Promise<void> {
    const found = (await map(namespace)) as ConfigMap;
    await admin.remove(CONFIG_MAPS, { namespace, name: TRUST });
    const { labels = {}, annotations = {} } = found.metadata;
    const object = {
      metadata: { namespace, name: TRUST, labels, annotations },
      immutable: true,
      data: { "hub-ca.crt": bundle },
    };
    for (;;) {
      try {
        await admin.create(CONFIG_MAPS, object as ConfigMap);
        return;
      } catch (error) {
        // It was put back at once.
        if (!isClusterError(error, "AlreadyExists")) throw error;
        await admin.remove(CONFIG_MAPS, { namespace, name: TRUST });
      }
    }
  }

  test("a certificate that somebody else looks after is never written to: only its ca.crt is taken, and nothing but certificates", async () => {
    const namespace = await makeNamespace();
    const authority = await issueAuthority(Date.now());
    const leaf = await issueLeaf(authority, ["heauth-hub.heauth-system.svc"], Date.now());
    const encoded = (pem: string) => Buffer.from(pem).toString("base64");
    const theirs = { "tls.crt": encoded(leaf.certificate), "tls.key": encoded(leaf.key) };
    await admin.create(SECRETS, { metadata: HUB, type: "kubernetes.io/tls", data: theirs } as HubSecret);
    const { metrics } = await lead();
    await eventually(
      () => metrics.text(),
      (page) => /^heauth_certificate_failures_total [1-9]/m.test(page),
    );
    expect(await map(namespace)).toBeUndefined();
    await admin.patch(SECRETS, HUB, { data: { "ca.crt": encoded(`${authority.key}${authority.certificate}`) } });
    await trusts(namespace, authority.certificate);
    expect(await stored()).toBeUndefined();
    expect((await hubSecret())?.data).toMatchObject(theirs);
    const { untilMs } = validityOf(leaf.certificate);
    expect(await metrics.text()).toContain(
      `heauth_certificate_expiry_seconds{certificate="hub"} ${(untilMs - clock.wallMs()) / 1000}`,
    );

    // Taken away, it is ours; taken over by cert-manager, it is not any more.
    await admin.remove(SECRETS, HUB);
    const set = (await eventually(stored, (found) => found !== undefined)) as CertificateSet;
    await trusts(namespace, trustBundle(set));
    await eventually(hubSecret, (found) => found?.metadata.annotations?.["heauth.io/kept-by"] !== undefined);
    await admin.patch(SECRETS, HUB, {
      metadata: { annotations: { "cert-manager.io/certificate-name": "heauth-hub" } },
      data: { ...theirs, "ca.crt": encoded(authority.certificate) },
    });
    await trusts(namespace, authority.certificate);
    expect(text(await hubSecret(), "tls.crt")).toBe(leaf.certificate);
  });

  test("two that lead at once agree on one set", async () => {
    const namespace = await makeNamespace();
    await Promise.all([lead(), lead(), lead()]);
    await given(namespace);
    const set = (await stored()) as CertificateSet;
    await trusts(namespace, trustBundle(set));
    expect(text(await hubSecret(), "tls.crt")).toBe(set.leaf.certificate);
  });

  test("one that does not lead writes nothing; one that has lost neither", async () => {
    const [idle, led] = [await lead({ began: false }), await lead()];
    const namespace = await makeNamespace();
    await given(namespace);
    await led.lose();
    const other = await makeNamespace();
    ledgerKeys = "other keys";
    await pause(500);
    expect(await map(other)).toBeUndefined();
    expect((await dataOf(namespace))?.["ledger-keys.json"]).toBe("keys of today");
    for (const { metrics } of [idle, led]) {
      expect(await metrics.text()).not.toMatch(/heauth_trust_namespaces\{|heauth_certificate_expiry_seconds\{/);
    }
  });

  test("the account may do this and no more, and was refused nothing", async () => {
    const { client } = await openCluster({ kubeconfig: await server.kubeconfig(ACCOUNT) });
    const namespace = await makeNamespace({});
    const since = (await server.audit()).length;
    const asOwn = { fieldManager: "test" };
    for (const attempt of [
      () => client.apply(CONFIG_MAPS, { metadata: { namespace, name: "other" } }, asOwn),
      () => client.create(CONFIG_MAPS, { metadata: { namespace, name: TRUST } }),
      () => client.get(CONFIG_MAPS, { namespace, name: "other" }),
      () => client.list(CONFIG_MAPS, { namespace }),
      () => client.list(CONFIG_MAPS, {}),
      () => client.remove(CONFIG_MAPS, { namespace, name: TRUST }),
      () => client.apply(SECRETS, { metadata: { namespace, name: HUB.name } }, asOwn),
      () => client.apply(SECRETS, { metadata: { namespace: OWN, name: "other" } }, asOwn),
      () => client.create(SECRETS, { metadata: HUB }),
      () => client.remove(SECRETS, HUB),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "Forbidden" });
    }
    const refused = (await server.audit())
      .slice(0, since)
      .filter(({ user, responseStatus }) => user.username.endsWith(":heauth-operator") && responseStatus?.code === 403);
    expect(refused).toEqual([]);
  });
});

async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}
