import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { type ClusterClient, CONFIG_MAPS, type KubeObject, openCluster, SECRETS } from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { trustBundle } from "../certificates/certificate-set.ts";
import { ACCOUNT, eventually, HUB, LABEL, OWN, TrustRig } from "./testing/trust-rig.ts";
import { type ConfigMap, TRUST } from "./trust-map.ts";

// What is waited for may take as long as `eventually` has patience.
jest.setTimeout(60_000);

describeKube("what sidecars trust, in a real cluster", () => {
  let server: ApiServer;
  let admin: ClusterClient;
  let rig: TrustRig;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    admin = server.client;
    rig = new TrustRig(server);
    await rig.install();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  afterEach(() => rig.clear());

  /** What was asked in the operator's name. */
  const calls = async (since = new Date(0)) =>
    (await server.audit()).filter(
      ({ user, requestReceivedTimestamp }) =>
        user.username.endsWith(":heauth-operator") && new Date(requestReceivedTimestamp) >= since,
    );
  const keysOf = async (namespace: string) => (await rig.map(namespace))?.data?.["ledger-keys.json"];
  const put = (namespace: string, object: object) =>
    admin.create(CONFIG_MAPS, { metadata: { namespace, name: TRUST }, ...object } as KubeObject);

  test("it stands in every labelled namespace, also in one that comes later, and never in heauth's own", async () => {
    const [first, second, plain] = [
      await rig.makeNamespace(),
      await rig.makeNamespace({ [LABEL]: "required" }),
      await rig.makeNamespace({}),
    ];
    await rig.label(OWN, "enabled");
    const { metrics, looked } = await rig.start();
    await rig.given(first);
    const late = await rig.makeNamespace();
    const bundle = trustBundle(await rig.storedAs());
    for (const namespace of [first, second, late]) {
      const { data, metadata } = await rig.given(namespace);
      expect(data).toEqual({ "hub-ca.crt": bundle, "ledger-keys.json": "keys of today" });
      expect(metadata.labels).toEqual({ "app.kubernetes.io/managed-by": "heauth" });
    }
    await eventually(
      () => metrics.text(),
      (page) =>
        /^heauth_trust_namespaces\{state="current"\} 3$/m.test(page) &&
        /^heauth_trust_namespaces\{state="behind"\} 0$/m.test(page),
    );
    await looked();
    for (const namespace of [plain, OWN]) expect(await rig.map(namespace)).toBeUndefined();
  });

  test("nothing is written again while nothing differs, also not by the next leader", async () => {
    const namespace = await rig.makeNamespace();
    const first = await rig.start();
    const before = [await rig.given(namespace), await rig.hubSecret(), await rig.stored()];
    await first.lose();
    const since = new Date();
    const next = await rig.start();
    const other = await rig.makeNamespace();
    await rig.given(other);
    await next.looked();
    expect([await rig.map(namespace), await rig.hubSecret(), await rig.stored()]).toEqual(before);
    const writes = (await calls(since)).filter(({ verb }) => verb === "patch");
    expect(new Set(writes.map(({ objectRef }) => objectRef?.namespace))).toEqual(new Set([other]));
  });

  test("what somebody does to it is put right, and what stands beside it is left alone", async () => {
    const namespace = await rig.makeNamespace();
    await rig.start();
    const right = await rig.given(namespace);
    const name = { namespace, name: TRUST };
    const isRight = ({ data, metadata }: ConfigMap) =>
      data?.["hub-ca.crt"] === right.data?.["hub-ca.crt"] &&
      data?.["ledger-keys.json"] === "keys of today" &&
      metadata.annotations?.["heauth.io/kept-by"] !== undefined;
    for (const spoil of [
      () => admin.remove(CONFIG_MAPS, name),
      () => admin.patch(CONFIG_MAPS, name, { data: null }),
      () => admin.patch(CONFIG_MAPS, name, { metadata: { annotations: null } }),
      () => admin.patch(CONFIG_MAPS, name, { data: { "hub-ca.crt": "mine", more: "kept" } }),
    ]) {
      const { metadata: before } = (await rig.map(namespace)) ?? { metadata: {} };
      await spoil();
      await eventually(
        () => rig.map(namespace),
        (now) => now !== undefined && isRight(now) && now.metadata.resourceVersion !== before.resourceVersion,
      );
    }
    expect((await rig.map(namespace))?.data?.["more"]).toBe("kept");
  });

  test("the file of keys is followed; after the label has gone the ConfigMap is kept up to date, and not made again", async () => {
    const [staying, leaving] = [await rig.makeNamespace(), await rig.makeNamespace()];
    const { metrics } = await rig.start();
    for (const namespace of [staying, leaving]) await rig.given(namespace);
    await rig.label(leaving, null);
    await eventually(
      () => metrics.text(),
      (page) => /^heauth_informer_objects\{informer="injected-namespaces"\} 1$/m.test(page),
    );
    rig.ledgerKeys = "keys of tomorrow";
    for (const namespace of [staying, leaving]) {
      await eventually(
        () => keysOf(namespace),
        (keys) => keys === "keys of tomorrow",
      );
    }
    await admin.remove(CONFIG_MAPS, { namespace: leaving, name: TRUST });
    rig.ledgerKeys = "keys of the day after";
    await eventually(
      () => keysOf(staying),
      (keys) => keys === "keys of the day after",
    );
    expect(await rig.map(leaving)).toBeUndefined();
  });

  test("one of that name that is not ours is left alone where there is no injection, and taken over where there is", async () => {
    const namespace = await rig.makeNamespace({});
    await put(namespace, { data: { "hub-ca.crt": "theirs" } });
    const { looked } = await rig.start();
    await rig.given(await rig.makeNamespace());
    await looked();
    expect((await rig.map(namespace))?.data).toEqual({ "hub-ca.crt": "theirs" });
    await rig.label(namespace, "enabled");
    await rig.trusts(namespace, trustBundle(await rig.storedAs()));
  });

  test("where it can't be written, that is told of, and the others have it", async () => {
    const [closed, open] = [await rig.makeNamespace(), await rig.makeNamespace()];
    await put(closed, { immutable: true, data: { "hub-ca.crt": "theirs" } });
    const { metrics, events } = await rig.start();
    await rig.given(open);
    await eventually(
      async () => events.length,
      (told) => told > 0,
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
    await eventually(
      () => metrics.text(),
      (page) => /^heauth_trust_namespaces\{state="behind"\} 1$/m.test(page),
    );
    await admin.remove(CONFIG_MAPS, { namespace: closed, name: TRUST });
    await rig.trusts(closed, trustBundle(await rig.storedAs()));
  });

  test("one that does not lead writes nothing; one that has lost neither", async () => {
    const [idle, led] = [await rig.start({ leads: false }), await rig.start()];
    const namespace = await rig.makeNamespace();
    await rig.given(namespace);
    await led.lose();
    const since = new Date();
    await rig.makeNamespace();
    rig.ledgerKeys = "other keys";
    // Both have seen the namespace when they have seen what is done in it.
    const watched = await rig.makeNamespace({});
    await put(watched, {});
    const seen = /^heauth_informer_objects\{informer="trust"\} 2$/m;
    for (const { metrics } of [idle, led]) {
      const page = await eventually(
        () => metrics.text(),
        (text) => seen.test(text),
      );
      expect(page).not.toMatch(/heauth_trust_namespaces\{|heauth_certificate_expiry_seconds\{/);
    }
    expect((await calls(since)).filter(({ verb }) => verb === "patch")).toEqual([]);
  });

  test("the account may do this and no more, and was refused nothing that was needed", async () => {
    const { client } = await openCluster({ kubeconfig: await server.kubeconfig(ACCOUNT) });
    const namespace = await rig.makeNamespace({});
    expect((await calls()).filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
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
  });
});
