import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { uuidv7 } from "@heauth/program";
import { LookUpSessionsRequestSchema, LookUpSessionsResponseSchema } from "@heauth/protocol";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import type { Asker } from "./testing/ask.ts";
import { knockFrom } from "./testing/knock.ts";
import { type Login, peopleOf } from "./testing/people.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const [OK, DENIED, UNAUTHENTICATED] = ["0", "7", "16"];

/** What a call came to; status and message are gRPC's. */
interface Reply {
  readonly http: number;
  readonly status: string;
  readonly says: string;
  /** Base64. */
  readonly message: string;
}

describe("the hub", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let login: Login;
  let ca: string;
  let app: Asker;
  /** A pod of a namespace without injection that brings tokens of its own. */
  let outsider: Asker;
  let url: string;

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster);
    const name = `${scene.name}-out`;
    outsider = { namespace: name, pod: "outsider" };
    await must(cluster.kubectl(["apply", "--filename=-"], outside(name, cluster.images.echo)));
    const people = await peopleOf(cluster, scene.name, scene.client);
    login = await people.logIn(await people.create("joy"));
    ca = await scene.kubectl(["get", "configmap/heauth-trust", "-o=jsonpath={.data.hub-ca\\.crt}"]);
    const [pod] = JSON.parse(await scene.kubectl(["get", "pods", "-l=app=app", "-o=json"])).items;
    app = { namespace: scene.name, pod: pod.metadata.name, container: "app" };
    const ready = ["wait", "pod/outsider", "--for=condition=Ready", "--timeout=60s"];
    await must(cluster.kubectl([`--namespace=${name}`, ...ready]));
    url = `https://heauth-hub.${cluster.namespace}.svc`;
  }, 240_000);
  afterAll(async () => {
    if (outsider !== undefined) {
      await must(cluster.kubectl(["delete", "namespace", outsider.namespace, "--ignore-not-found", "--wait=false"]));
    }
    await scene?.remove();
  });

  const inside = ({ namespace, pod, container }: Asker, ...command: string[]) => {
    const where = container === undefined ? [] : [`--container=${container}`];
    return must(cluster.kubectl([`--namespace=${namespace}`, "exec", "--stdin", pod, ...where, "--", ...command]));
  };

  /** Asks for the session, as a sidecar would. */
  async function lookUp(from: Asker, token?: string, { host = url, tenant = login.tenantId } = {}): Promise<Reply> {
    const request = create(LookUpSessionsRequestSchema, { tenant, sessions: [login.session] });
    const message = Buffer.from(toBinary(LookUpSessionsRequestSchema, request)).toString("base64");
    const serverName = new URL(url).hostname;
    const call = { url: `${host}/heauth.hub.v1.Hub/LookUpSessions`, ca, serverName, token, message };
    const where = from.container === undefined ? [] : [`--container=${from.container}`];
    const args = [`--namespace=${from.namespace}`, "exec", "--stdin", from.pod, ...where, "--", "echo", "call"];
    const reply: Reply = JSON.parse(await must(cluster.kubectl(args, JSON.stringify(call))));
    return { ...reply, says: decodeURIComponent(reply.says) };
  }
  const refused = (status: string | undefined, says: RegExp) => ({
    status,
    says: expect.stringMatching(says),
    message: "",
  });

  test("refuses who brings no token, wherever he is", async () => {
    for (const from of [scene.client, outsider, app]) {
      expect(await lookUp(from)).toMatchObject(refused(UNAUTHENTICATED, /token is missing/));
    }
  });

  test("refuses a pod's own token for the API server, the injected pod's app's too", async () => {
    for (const from of [scene.client, outsider, app]) {
      const token = await inside(from, "cat", ACCOUNT_TOKEN);
      expect(await lookUp(from, token)).toMatchObject(refused(UNAUTHENTICATED, /audience is not heauth-hub/));
    }
  });

  test("refuses a token for another audience, and a good one whose audience somebody has changed", async () => {
    expect(await lookUp(outsider, await inside(outsider, "cat", "/tokens/vault"))).toMatchObject(
      refused(UNAUTHENTICATED, /audience/),
    );
    const [head, , signature] = (await inside(outsider, "cat", "/tokens/vault")).split(".");
    const claims = { aud: ["heauth-hub"], exp: Math.ceil(Date.now() / 1000) + 600 };
    const forged = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
    expect(await lookUp(outsider, forged)).toMatchObject(refused(UNAUTHENTICATED, /not accepted/));
  });

  test("refuses a pod without a sidecar, though its token is for the hub", async () => {
    const token = await inside(outsider, "cat", "/tokens/hub");
    expect(await lookUp(outsider, token)).toMatchObject(refused(DENIED, /no heauth sidecar/));
  });

  test("refuses a token that is bound to no pod", async () => {
    const made = ["create", "token", "default", "--audience=heauth-hub", "--duration=10m"];
    const token = (await scene.kubectl(made)).trim();
    expect(await lookUp(scene.client, token)).toMatchObject(refused(DENIED, /not bound to a pod/));
  });

  test("speaks TLS only, and has a certificate that nobody has to take on trust", async () => {
    expect(await knockFrom(cluster, outsider, [{ network: "tcp", address: `${new URL(url).hostname}:443` }])).toEqual([
      "closed",
    ]);
    await expect(lookUp(outsider, undefined, { host: url.replace("heauth-hub", "heauth-webhook") })).rejects.toThrow(
      /x509/,
    );
  });

  describe("asked with the token of an injected pod's sidecar", () => {
    const sidecars = () => inside({ ...app, container: "heauth" }, "cat", "/var/run/secrets/heauth/token");

    test("answers on each address of its Service: also to another pod, as a bearer token is", async () => {
      const token = (await sidecars()).trim();
      const service = ["get", "service/heauth-hub", "-o=json", `--namespace=${cluster.namespace}`];
      const addresses: string[] = JSON.parse(await must(cluster.kubectl(service))).spec.clusterIPs;
      for (const address of addresses) {
        const host = `https://${address.includes(":") ? `[${address}]` : address}`;
        const { status, message } = await lookUp(outsider, token, { host });
        expect(status).toBe(OK);
        const { sessions } = fromBinary(LookUpSessionsResponseSchema, Buffer.from(message, "base64"));
        expect(sessions).toMatchObject([{ session: login.session }]);
      }
    });

    test("answers whoever may have a token made for a pod, as this pod", async () => {
      const bound = ["--bound-object-kind=Pod", `--bound-object-name=${app.pod}`];
      const token = await scene.kubectl(["create", "token", "default", "--audience=heauth-hub", ...bound]);
      expect(await lookUp(outsider, token.trim())).toMatchObject({ status: OK });
    });

    test("can't be had by the app", async () => {
      await expect(inside(app, "cat", "/var/run/secrets/heauth/token")).rejects.toThrow(/No such file/);
    });

    test("shows nothing of another tenant", async () => {
      const token = (await sidecars()).trim();
      expect(await lookUp(app, token, { tenant: uuidv7() })).toMatchObject(refused(DENIED, /tenant/));
    });
  });
});

function outside(namespace: string, image: string): string {
  const token = (audience: string, path: string) => ({
    serviceAccountToken: { audience, path, expirationSeconds: 600 },
  });
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "outsider", namespace } },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "outsider", namespace, labels: { app: "app" } },
      spec: {
        serviceAccountName: "outsider",
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: "outsider",
            image,
            imagePullPolicy: "IfNotPresent",
            args: ["listen", "8080"],
            volumeMounts: [{ name: "tokens", mountPath: "/tokens" }],
          },
        ],
        volumes: [{ name: "tokens", projected: { sources: [token("heauth-hub", "hub"), token("vault", "vault")] } }],
      },
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
