import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs, createMetrics } from "@heauth/program";
import {
  type ClusterClient,
  ClusterError,
  openCluster,
  SECRETS,
  VALIDATING_WEBHOOKS,
} from "@heauth/program/kubernetes";
import { createManualClock } from "@heauth/program/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { trustBundle } from "../../certificates/certificate-set.ts";
import { installWebhook, kubectl, NAME, NAMESPACE, SECRET } from "../testing/webhook-rig.ts";
import { type CertificateKeeper, createCertificateKeeper } from "./certificate-keeper.ts";

const DAY = 86_400_000;
const secret = { namespace: NAMESPACE, name: SECRET };

type Write = "apply" | "patch";

describeKube("two replicas, of which one gets in between the other's reading and writing", () => {
  let server: ApiServer;
  let client: ClusterClient;
  let clock = createManualClock();
  let keepers: CertificateKeeper[] = [];

  beforeAll(async () => {
    server = await startApiServer();
    ({ client } = await openCluster({ kubeconfig: await server.kubeconfig() }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  beforeEach(async () => {
    clock = createManualClock(Date.now());
    await installWebhook(server);
  });
  afterEach(async () => {
    await Promise.all(keepers.map((each) => each.stop(AbortSignal.timeout(1_000))));
    keepers = [];
    await kubectl(server, ["delete", "validatingwebhookconfiguration", NAME]);
    await kubectl(server, ["delete", "secret", "-n", NAMESPACE, SECRET]);
  });

  function keeper(replica: string, its = client): CertificateKeeper {
    const { log } = createLogs({ program: "test", level: "silent" });
    const names = [`${NAME}.${NAMESPACE}.svc`];
    const metrics = createMetrics();
    const made = createCertificateKeeper({
      client: its,
      secret,
      configurations: [{ type: VALIDATING_WEBHOOKS, name: NAME }],
      names,
      show() {},
      replica,
      clock,
      log,
      metrics,
    });
    keepers.push(made);
    return made;
  }

  /** A client that lets something happen before its first write of this kind. */
  function interrupted(write: Write, plural: string, meanwhile: () => Promise<unknown>): ClusterClient {
    let isFirst = true;
    const before = async (type: { plural: string }) => {
      if (type.plural !== plural || !isFirst) return;
      isFirst = false;
      await meanwhile();
    };
    return {
      ...client,
      apply: async (type, ...rest) => {
        if (write === "apply") await before(type);
        return await client.apply(type, ...rest);
      },
      patch: async (type, ...rest) => {
        if (write === "patch") await before(type);
        return await client.patch(type, ...rest);
      },
    };
  }

  async function published(): Promise<string> {
    const found = await client.get<{ metadata: object; webhooks?: { clientConfig: { caBundle?: string } }[] }>(
      VALIDATING_WEBHOOKS,
      { name: NAME },
    );
    return Buffer.from(found.webhooks?.[0]?.clientConfig.caBundle ?? "", "base64").toString();
  }
  const bundleOf = (one: CertificateKeeper) => trustBundle(one.held() as NonNullable<ReturnType<typeof one.held>>);

  test("creating: the second takes over what the first has stored", async () => {
    const first = keeper("first");
    const second = keeper(
      "second",
      interrupted("apply", SECRETS.plural, () => first.look()),
    );
    await second.look();
    expect(second.held()).toEqual(first.held());
    expect(await published()).toBe(bundleOf(first));
  });

  test("renewing: the second takes over what the first has renewed", async () => {
    const first = keeper("first");
    await first.look();
    const second = keeper(
      "second",
      interrupted("patch", SECRETS.plural, () => first.look()),
    );
    await second.look();
    const { leaf } = second.held() ?? {};
    clock.advance(61 * DAY);
    await second.look();
    expect(second.held()).toEqual(first.held());
    expect(second.held()?.leaf).not.toEqual(leaf);
  });

  test("writing caBundle: an older bundle never replaces a newer one", async () => {
    const first = keeper("first");
    await first.look();
    const meanwhile = async () => {
      clock.advance(250 * DAY);
      await first.look();
    };
    const second = keeper("second", interrupted("apply", VALIDATING_WEBHOOKS.plural, meanwhile));
    await kubectl(server, ["patch", "validatingwebhookconfiguration", NAME, "--type=json", "-p", EMPTY_BUNDLE]);
    await second.look();
    expect(first.held()?.next).toBeDefined();
    expect(second.held()).toEqual(first.held());
    expect(await published()).toBe(bundleOf(first));
  });

  test("a start waits for an API server that is away, and ends when it is told to stop", async () => {
    const away = () => Promise.reject(new ClusterError("Unreachable", "connection refused"));
    let refusals = 2;
    const get: ClusterClient["get"] = (...of) => (refusals-- > 0 ? away() : client.get(...of));
    const patient = keeper("patient", { ...client, get });
    await patient.start();
    expect(await published()).toBe(bundleOf(patient));
    const alone = keeper("alone", { ...client, get: away });
    const starting = alone.start().then(
      () => "started",
      () => "given up",
    );
    expect(alone.distrust()).toBe("there is no certificate yet");
    await alone.stop(AbortSignal.timeout(1_000));
    expect(await starting).toBe("given up");
  });

  test("a wall clock that was set forward lets nobody sign before the bundle is known", async () => {
    const only = keeper("only");
    await only.look();
    clock.advance(244 * DAY);
    await only.look();
    const { next } = only.held() ?? {};
    expect(next).toBeDefined();
    clock.sleep(DAY);
    await only.look();
    expect(only.held()?.next).toEqual(next);
    clock.advance(60_000);
    await only.look();
    expect(only.held()?.authority).toEqual(next);
  });
});

const EMPTY_BUNDLE = JSON.stringify([{ op: "replace", path: "/webhooks/0/clientConfig/caBundle", value: "" }]);
