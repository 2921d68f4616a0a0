import { once } from "node:events";
import { request } from "node:https";
import { tenant } from "@heauth/core/resources/testing";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { pause } from "@heauth/program";
import {
  type ClusterClient,
  MUTATING_WEBHOOKS,
  openCluster,
  SECRETS,
  TENANTS,
  VALIDATING_WEBHOOKS,
} from "@heauth/program/kubernetes";
import { createManualClock } from "@heauth/program/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { type CertificateSet, fromSecretData, toSecretData, trustBundle } from "../../certificates/certificate-set.ts";
import { issueAuthority, issueLeaf } from "../../certificates/issue.ts";
import { parsedCertificate } from "../../certificates/pair.ts";
import { settings } from "../injection/testing/pods.ts";
import { reviewOf } from "../testing/review-of.ts";
import {
  call,
  installWebhook,
  kubectl,
  NAME,
  NAMESPACE,
  SECRET,
  startReplica,
  type TestReplica,
} from "../testing/webhook-rig.ts";

const DAY = 86_400_000;
const HOST = `${NAME}.${NAMESPACE}.svc`;
const secretName = { namespace: NAMESPACE, name: SECRET };

// What is waited for may take as long as `eventually` has patience.
jest.setTimeout(60_000);

describeKube("certificates in a real cluster", () => {
  let server: ApiServer;
  let admin: ClusterClient;
  let replicas: TestReplica[] = [];

  beforeAll(async () => {
    server = await startApiServer();
    ({ client: admin } = await openCluster({ kubeconfig: await server.kubeconfig() }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  beforeEach(() => installWebhook(server));
  afterEach(async () => {
    await Promise.all(replicas.map((each) => each.stop()));
    replicas = [];
    for (const { plural } of [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS]) {
      await kubectl(server, ["delete", plural, NAME, "--ignore-not-found"]);
    }
    await kubectl(server, ["delete", "secret", "-n", NAMESPACE, SECRET, "--ignore-not-found"]);
    await kubectl(server, ["delete", "tenants", "--all"]);
  });

  async function start(options?: Parameters<typeof startReplica>[1]): Promise<TestReplica> {
    const replica = await startReplica(server, options);
    replicas.push(replica);
    return replica;
  }
  async function stored(): Promise<CertificateSet | undefined> {
    const { data } = await admin.get<{ metadata: object; data?: Record<string, string> }>(SECRETS, secretName);
    return fromSecretData(data);
  }
  async function configured(type = VALIDATING_WEBHOOKS) {
    const name = { name: NAME };
    type Configuration = { metadata: object; webhooks?: { clientConfig: { caBundle?: string } }[] };
    return (await admin.get<Configuration>(type, name)).webhooks ?? [];
  }
  async function published(): Promise<string> {
    const [webhook] = await configured();
    return Buffer.from(webhook?.clientConfig.caBundle ?? "", "base64").toString();
  }
  /** A caller who knows what the configuration says, on a connection of its own; the status, and the leaf's serial number. */
  async function ask(port: number, ca: string) {
    const options = { host: "127.0.0.1", port, path: "/validate", servername: HOST, agent: false as const, ca };
    const asked = request({ ...options, method: "POST", headers: { "content-type": "application/json" } });
    asked.end(JSON.stringify(reviewOf(tenant)));
    const [answer] = await once(asked, "response");
    const { serialNumber } = answer.socket.getPeerCertificate();
    answer.resume();
    return { status: answer.statusCode as number, serial: serialNumber as string };
  }
  const serialOf = (pem: string | undefined) => parsedCertificate(pem ?? "")?.serialNumber;
  async function eventually(holds: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      if (tries === 1_000) throw new Error("it did not come to be within 50 s");
      await pause(50);
    }
  }

  test("replicas that start at once agree on one set, and the API server trusts all of them", async () => {
    await Promise.all(Array.from({ length: 5 }, () => start({ called: false })));
    const set = await stored();
    expect(set).toBeDefined();
    expect(await published()).toBe(trustBundle(set as CertificateSet));
    for (const { port, health } of replicas) {
      expect(await ask(port, await published())).toEqual({ status: 200, serial: serialOf(set?.leaf.certificate) });
      expect(health.ready()).toEqual({ ok: true, problems: {} });
    }
    await call(server, replicas[4]?.port as number);
    const { type } = await admin.get<{ metadata: object; type?: string }>(SECRETS, secretName);
    expect(type).toBe("kubernetes.io/tls");
  });

  test("only caBundle is written, for each webhook; applying the manifests again leaves it alone", async () => {
    await installWebhook(server, {}, { injection: true });
    const all = async () => [...(await configured()), ...(await configured(MUTATING_WEBHOOKS))];
    const before = await all();
    const { health } = await start({ called: false, injection: settings });
    const bundle = await published();
    expect(bundle).toContain("BEGIN CERTIFICATE");
    const caBundle = Buffer.from(bundle).toString("base64");
    expect(await all()).toEqual(before.map((each) => ({ ...each, clientConfig: { ...each.clientConfig, caBundle } })));
    await installWebhook(server, {}, { injection: true });
    expect((await all()).map(({ clientConfig }) => clientConfig.caBundle)).toEqual([caBundle, caBundle, caBundle]);
    expect(health.ready()).toEqual({ ok: true, problems: {} });
  });

  test("what somebody does to Secret and caBundle is put right within seconds, and trust stays as it was", async () => {
    const { port, webhook } = await start({ everyMs: 200 });
    await start({ everyMs: 200, called: false });
    const set = (await stored()) as CertificateSet;
    const isRight = async () => {
      const now = await stored().catch(() => undefined);
      return now !== undefined && trustBundle(now) === trustBundle(set) && (await published()) === trustBundle(set);
    };
    const patchSecret = (data: object) => admin.patch(SECRETS, secretName, { data });
    const patchBundle = (value: string) =>
      kubectl(server, [
        "patch",
        "validatingwebhookconfiguration",
        NAME,
        "--type=json",
        "-p",
        JSON.stringify([{ op: "replace", path: "/webhooks/0/clientConfig/caBundle", value }]),
      ]);
    const other = await issueAuthority(Date.now());
    const spoilings: readonly (() => Promise<unknown>)[] = [
      () => admin.remove(SECRETS, secretName),
      () => patchSecret({ "tls.crt": "", "tls.key": "", "ca.crt": "", "ca.key": "" }),
      () => patchSecret({ "ca.key": Buffer.from(other.key).toString("base64") }),
      () => patchSecret({ "tls.crt": Buffer.from("nonsense").toString("base64") }),
      () => patchBundle(Buffer.from(other.certificate).toString("base64")),
      () => patchBundle(""),
    ];
    for (const spoil of spoilings) {
      await spoil();
      await eventually(isRight);
      expect(await ask(port, await published())).toEqual({ status: 200, serial: serialOf(set.leaf.certificate) });
    }
    await webhook.look();
    await call(server, port);
  }, 60_000);

  test("a set that somebody else puts there is taken over, by all replicas", async () => {
    await start({ everyMs: 200 });
    await start({ everyMs: 200, called: false });
    const authority = await issueAuthority(Date.now());
    const leaf = await issueLeaf(authority, [HOST, `${HOST}.cluster.local`], Date.now());
    await admin.patch(SECRETS, secretName, { data: toSecretData({ authority, leaf }) });
    await eventually(async () => {
      const shown = await Promise.all(
        replicas.map(({ port }) => ask(port, authority.certificate).catch(() => undefined)),
      );
      return shown.every((each) => each?.serial === serialOf(leaf.certificate));
    });
    await eventually(async () => (await published()) === authority.certificate);
  });

  test("a leaf that has expired at the start is renewed before anything is shown, an authority too", async () => {
    const now = Date.now();
    const put = async (authorityAge: number, leafAge: number) => {
      const authority = await issueAuthority(now - authorityAge * DAY);
      const set = { authority, leaf: await issueLeaf(authority, [HOST], now - leafAge * DAY) };
      await kubectl(server, ["delete", "secret", "-n", NAMESPACE, SECRET, "--ignore-not-found"]);
      const data = Object.fromEntries(Object.entries(toSecretData(set)).filter(([, value]) => value !== null));
      await admin.create(SECRETS, { metadata: secretName, data } as { metadata: object });
      return set;
    };
    const old = await put(100, 95);
    const first = await start();
    expect((await stored())?.authority).toEqual(old.authority);
    expect(await ask(first.port, old.authority.certificate)).toMatchObject({ status: 200 });
    await first.stop();

    await put(400, 395);
    const second = await start();
    expect(await ask(second.port, await published())).toMatchObject({ status: 200 });
  });

  test("an authority is replaced while requests run, and none fails", async () => {
    // The API server's own clock is today's: what is issued must be good today, so the story begins in the past.
    const clock = createManualClock(Date.now() - 250 * DAY);
    const look = () => Promise.all(replicas.map(({ webhook }) => webhook.look()));
    await start({ clock, called: false });
    const first = (await stored()) as CertificateSet;
    clock.advance(240 * DAY);
    expect(replicas[0]?.health.ready()).toMatchObject({
      ok: false,
      problems: { certificate: expect.stringContaining("expired") },
    });
    await look();
    await start({ clock });
    await admin.create(TENANTS, tenant as { metadata: object });

    const outcomes = { asked: 0, changed: 0, failures: [] as unknown[] };
    const running = new AbortController();
    const loop = async (once: () => Promise<void>) => {
      while (!running.signal.aborted) await once().catch((error) => outcomes.failures.push(error));
    };
    const some = async () => {
      const { asked, changed } = outcomes;
      await eventually(async () => outcomes.asked > asked + 50 && outcomes.changed > changed + 30);
    };
    const loops = [
      loop(async () => {
        const bundle = await published();
        for (const { port } of replicas) {
          const { status } = await ask(port, bundle);
          if (status !== 200) throw new Error(`status ${status}`);
          outcomes.asked++;
        }
      }),
      loop(async () => {
        await admin.patch(TENANTS, { name: "acme" }, { spec: { displayName: `Acme ${outcomes.changed}` } });
        outcomes.changed++;
      }),
    ];
    try {
      await some();
      // 1. The next authority becomes known.
      clock.advance(10 * DAY);
      await look();
      const second = (await stored()) as CertificateSet;
      expect(second.next).toBeDefined();
      expect(await published()).toBe(first.authority.certificate + second.next?.certificate);
      await some();
      // 2. Not before everybody knows it does it sign.
      clock.advance(59_000);
      await look();
      expect((await stored())?.leaf).toEqual(second.leaf);
      clock.advance(2_000);
      await look();
      const third = (await stored()) as CertificateSet;
      expect(third.authority).toEqual(second.next);
      expect(third.former?.certificate).toBe(first.authority.certificate);
      await look();
      for (const { port } of replicas) {
        expect((await ask(port, second.next?.certificate ?? "")).serial).toBe(serialOf(third.leaf.certificate));
      }
      await some();
      // 3. The API server connects anew, to the replica that it did not call so far.
      await call(server, replicas[0]?.port as number);
      await some();
    } finally {
      running.abort();
      await Promise.all(loops);
    }
    expect(outcomes.failures).toEqual([]);
    expect(await published()).toBe(trustBundle((await stored()) as CertificateSet));
  }, 180_000);

  test("while there is no configuration it is not ready, and says why", async () => {
    await kubectl(server, ["delete", "validatingwebhookconfiguration", NAME]);
    const { health, webhook } = await start({ called: false });
    const caBundle = `the certificate's caBundle is not in the ValidatingWebhookConfiguration ${NAME}`;
    expect(health.ready().problems).toEqual({ caBundle });
    await installWebhook(server);
    await webhook.look();
    expect(health.ready()).toEqual({ ok: true, problems: {} });
  });

  test("with injection it looks after both configurations, and names the one that is missing", async () => {
    const { health, webhook } = await start({ called: false, injection: settings });
    const caBundle = `the certificate's caBundle is not in the MutatingWebhookConfiguration ${NAME}`;
    expect(health.ready().problems).toEqual({ caBundle });
    await installWebhook(server, {}, { injection: true });
    await webhook.look();
    expect(health.ready()).toEqual({ ok: true, problems: {} });
    expect(
      Buffer.from((await configured(MUTATING_WEBHOOKS))[0]?.clientConfig.caBundle ?? "", "base64").toString(),
    ).toBe(await published());
  });

  test("while the API server is away the certificate is shown on, and it is looked after again afterwards", async () => {
    const { port, health, metrics } = await start({ everyMs: 200 });
    const bundle = await published();
    await server.stopServer();
    await eventually(async () => /^heauth_certificate_failures_total [1-9]/m.test(await metrics.text()));
    expect(await ask(port, bundle)).toMatchObject({ status: 200 });
    expect(health.ready()).toEqual({ ok: true, problems: {} });
    expect(await metrics.text()).toMatch(/^heauth_certificate_expiry_seconds\{certificate="leaf"\} 777\d{4}/m);
    await server.startServer();
    await admin.remove(SECRETS, secretName);
    await eventually(async () => (await stored().catch(() => undefined)) !== undefined);
  }, 60_000);
});
