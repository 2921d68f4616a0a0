import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { type ClusterClient, CONFIG_MAPS, isClusterError, SECRETS } from "@heauth/program/kubernetes";
import { createManualClock } from "@heauth/program/testing";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { trustBundle } from "../certificates/certificate-set.ts";
import { issueAuthority, issueLeaf } from "../certificates/issue.ts";
import { parsedCertificate, validityOf } from "../certificates/pair.ts";
import type { HubSecret } from "./hub-secret.ts";
import { AUTHORITY, eventually, HUB, TrustRig, textOf } from "./testing/trust-rig.ts";
import { type ConfigMap, TRUST } from "./trust-map.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const encoded = (text: string) => Buffer.from(text).toString("base64");

// What is waited for may take as long as `eventually` has patience.
jest.setTimeout(60_000);

describeKube("the hub's certificate in a real cluster", () => {
  let server: ApiServer;
  let admin: ClusterClient;
  let rig: TrustRig;

  beforeAll(async () => {
    server = await startApiServer({ crds: false, auditLog: false });
    admin = server.client;
    rig = new TrustRig(server);
    await rig.install();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  afterEach(() => rig.clear());

  const isShown = (leaf: string) =>
    eventually(
      () => rig.shown(),
      (shown) => shown === leaf,
    );

  test("the first one is for the Service's names, and comes without its authority's key", async () => {
    const { metrics, looked } = await rig.start();
    await looked();
    const [set, secret] = [await rig.storedAs(), await rig.hubSecret()];
    expect(secret?.type).toBe("kubernetes.io/tls");
    expect(Object.keys(secret?.data ?? {}).sort()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
    expect(["tls.crt", "tls.key", "ca.crt"].map((key) => textOf(secret, key))).toEqual([
      set.leaf.certificate,
      set.leaf.key,
      trustBundle(set),
    ]);
    const names = ["heauth-hub.heauth-system.svc", "heauth-hub.heauth-system.svc.cluster.local", "heauth-hub"];
    expect(parsedCertificate(set.leaf.certificate)?.subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(", "));
    const page = await metrics.text();
    expect(page).toMatch(/^heauth_certificate_expiry_seconds\{certificate="hub"\} 777\d{4}/m);
    expect(page).toMatch(/^heauth_certificate_expiry_seconds\{certificate="hub-authority"\} 3\d{7}/m);
  });

  test("what somebody does to the Secrets is put right, and trust stays as it was", async () => {
    const namespace = await rig.makeNamespace();
    await rig.start();
    const { data } = await rig.given(namespace);
    const set = await rig.storedAs();
    const other = await issueAuthority(Date.now());
    for (const spoil of [
      () => admin.remove(SECRETS, HUB),
      () => admin.patch(SECRETS, HUB, { data: { "tls.crt": encoded(other.certificate) } }),
      () => admin.remove(SECRETS, AUTHORITY),
      () => admin.patch(SECRETS, AUTHORITY, { data: { "ca.key": encoded(other.key) } }),
    ]) {
      await spoil();
      await rig.storedAs((now) => now.authority.key === set.authority.key);
      await isShown(set.leaf.certificate);
    }
    expect((await rig.map(namespace))?.data).toEqual(data);
  });

  test("what a killed operator had begun the next one ends", async () => {
    const killed = await rig.start();
    await killed.looked();
    const set = await rig.storedAs();
    await killed.lose();
    await admin.remove(SECRETS, HUB);
    await rig.start();
    await isShown(set.leaf.certificate);
    expect(await rig.stored()).toEqual(set);
  });

  test("it is renewed at two thirds of its life, under the same authority", async () => {
    rig.clock = createManualClock(Date.now() - 61 * DAY);
    const namespace = await rig.makeNamespace();
    const { looked } = await rig.start();
    const { data } = await rig.given(namespace);
    const first = await rig.storedAs();
    rig.clock.advance(59 * DAY);
    await looked();
    expect(await rig.stored()).toEqual(first);
    rig.clock.advance(2 * DAY);
    const second = await rig.storedAs(({ leaf }) => leaf.certificate !== first.leaf.certificate);
    expect(second.authority).toEqual(first.authority);
    await isShown(second.leaf.certificate);
    expect((await rig.map(namespace))?.data).toEqual(data);
  });

  test("the next authority is everywhere for an hour before it signs, the former one as long as what it signed is good", async () => {
    rig.clock = createManualClock(Date.now() - 400 * DAY);
    const [namespace, behind] = [await rig.makeNamespace(), await rig.makeNamespace()];
    const { metrics, looked } = await rig.start();
    const { metadata } = await rig.given(behind);
    const first = await rig.storedAs();

    // 1. It becomes known, but not where an older ConfigMap of ours can't be changed: nobody signs by it, for however long.
    await lock(behind, metadata);
    rig.clock.advance(250 * DAY);
    const second = await rig.storedAs(({ next }) => next !== undefined);
    expect(second.authority).toEqual(first.authority);
    await rig.trusts(namespace, first.authority.certificate + second.next?.certificate);
    await isShown(second.leaf.certificate);
    await eventually(
      () => metrics.text(),
      (page) =>
        /^heauth_trust_namespaces\{state="behind"\} 1$/m.test(page) &&
        page.includes('heauth_certificate_expiry_seconds{certificate="hub-next-authority"}'),
    );
    await looked();
    rig.clock.advance(DAY);
    await looked();
    expect((await rig.stored())?.next).toEqual(second.next);

    // 2. It is everywhere: an hour later it signs.
    await admin.remove(CONFIG_MAPS, { namespace: behind, name: TRUST });
    await rig.trusts(behind, trustBundle(second));
    // Its hour begins when the operator has heard of it, too.
    await eventually(
      () => metrics.text(),
      (page) => /^heauth_trust_namespaces\{state="behind"\} 0$/m.test(page),
    );
    await looked();
    expect((await rig.stored())?.next).toEqual(second.next);
    rig.clock.advance(HOUR);
    const third = await rig.storedAs(({ next }) => next === undefined);
    expect(third.authority).toEqual(second.next);
    expect(third.former?.certificate).toBe(first.authority.certificate);
    await rig.trusts(namespace, trustBundle(third));
    await isShown(third.leaf.certificate);

    // 3. Nothing that the former one signed is good any more.
    rig.clock.advance(91 * DAY);
    const fourth = await rig.storedAs(({ former }) => former === undefined);
    await rig.trusts(namespace, fourth.authority.certificate);
  }, 60_000);

  /** An older ConfigMap of ours that can't be changed any more. */
  async function lock(namespace: string, { labels = {}, annotations = {} }: ConfigMap["metadata"]): Promise<void> {
    const locked = { metadata: { namespace, name: TRUST, labels, annotations }, immutable: true, data: {} };
    for (;;) {
      await admin.remove(CONFIG_MAPS, { namespace, name: TRUST });
      try {
        await admin.create(CONFIG_MAPS, locked as ConfigMap);
        return;
      } catch (error) {
        // It was put back at once.
        if (!isClusterError(error, "AlreadyExists")) throw error;
      }
    }
  }

  test("one that somebody else looks after is never written to: its ca.crt is taken, and nothing in it but certificates", async () => {
    const namespace = await rig.makeNamespace();
    const authority = await issueAuthority(Date.now());
    const leaf = await issueLeaf(authority, ["heauth-hub.heauth-system.svc"], Date.now());
    const theirs = { "tls.crt": encoded(leaf.certificate), "tls.key": encoded(leaf.key) };
    await admin.create(SECRETS, { metadata: HUB, type: "kubernetes.io/tls", data: theirs } as HubSecret);
    const { metrics } = await rig.start();
    await eventually(
      () => metrics.text(),
      (page) => /^heauth_certificate_failures_total [1-9]/m.test(page),
    );
    expect(await rig.map(namespace)).toBeUndefined();
    await admin.patch(SECRETS, HUB, { data: { "ca.crt": encoded(`${authority.key}${authority.certificate}`) } });
    await rig.trusts(namespace, authority.certificate);
    expect(await rig.stored()).toBeUndefined();
    expect((await rig.hubSecret())?.data).toMatchObject(theirs);
    const left = (validityOf(leaf.certificate).untilMs - rig.clock.wallMs()) / 1000;
    expect(await metrics.text()).toContain(`heauth_certificate_expiry_seconds{certificate="hub"} ${left}`);

    // Taken away, it is ours; taken over by cert-manager, it is not any more.
    await admin.remove(SECRETS, HUB);
    const set = await rig.storedAs();
    await rig.trusts(namespace, trustBundle(set));
    await isShown(set.leaf.certificate);
    const supplied = { ...theirs, "ca.crt": encoded(authority.certificate) };
    const annotations = { "cert-manager.io/certificate-name": "heauth-hub" };
    await admin.patch(SECRETS, HUB, { metadata: { annotations }, data: supplied });
    await rig.trusts(namespace, authority.certificate);
    expect((await rig.hubSecret())?.data).toEqual(supplied);
  });

  test("several that think that they lead agree on one set", async () => {
    const namespace = await rig.makeNamespace();
    const keepers = await Promise.all(Array.from({ length: 3 }, () => rig.start()));
    await Promise.all(keepers.map(({ looked }) => looked()));
    const set = await rig.storedAs();
    await rig.trusts(namespace, trustBundle(set));
    await isShown(set.leaf.certificate);
    for (const { events } of keepers) expect(events).toEqual([]);
  });
});
