import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { answerPod, type PodPolicy } from "./injection/index.ts";
import type { Pod } from "./injection/pod.ts";
import { settings } from "./injection/testing/pods.ts";
import {
  apply,
  type InjectingCluster,
  manifestOf,
  podFor,
  policyFor,
  startInjecting,
} from "./testing/injecting-cluster.ts";
import { kubectl } from "./testing/webhook-rig.ts";

const DRY = "--dry-run=server";
const namesOf = (pod: Pod | undefined) => pod?.spec.initContainers?.map(({ name }) => name);
const OURS = ["heauth-redirect", "heauth", "heauth-envoy"];

describeKube("pods that come to a real API server", () => {
  let server: ApiServer;
  let cluster: InjectingCluster;
  beforeAll(async () => {
    server = await startApiServer({ podAccounts: true });
    cluster = await startInjecting(server);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await cluster?.webhook.stop();
    await server?.stop();
  });

  const create: InjectingCluster["create"] = (...of) => cluster.create(...of);
  const denied = (why: string) => expect.stringContaining(`"inject.heauth.io" denied the request: ${why}`);

  test("one that is selected is injected as planned, and the API server finds nothing wrong with it", async () => {
    const probes = { livenessProbe: { grpc: { port: 8080 } }, ports: [{ name: "http", containerPort: 8080 }] };
    const more = { spec: { initContainers: [{ name: "setup", image: "setup" }] }, container: probes };
    const { pod: plain } = await create(podFor("web", { ...more, metadata: { namespace: "plain" } }), DRY);
    const policy: PodPolicy = {
      namespace: "shop",
      name: "web",
      createdAtMs: 0,
      selector: { matchLabels: { app: "web" } },
      ports: [8080],
    };
    const around = { namespace: { name: "shop", labels: { "heauth.io/injection": "enabled" } }, settings };
    const planned = answerPod(plain, { ...around, policies: [policy] });
    const { pod, said } = await create(podFor("web", more));
    expect(said).toBe("");
    expect(planned).toMatchObject({ outcome: "Injected", pod: { spec: pod?.spec } });
    expect(namesOf(pod)).toEqual([...OURS, "setup"]);

    // Filled in by the API server, and asked about again, it is what it is to be already.
    expect(answerPod(pod, { ...around, policies: [policy] })).toEqual({ outcome: "Unchanged" });
    const { pod: again } = await create(manifestOf(pod as Pod));
    expect(again?.spec).toEqual(pod?.spec);
    expect(again?.metadata.annotations).toEqual(pod?.metadata.annotations);
  });

  test("our containers get no token for the API server; the app keeps its own", async () => {
    const { pod } = await create(podFor("web", { spec: { automountServiceAccountToken: true } }), DRY);
    const mounts = (name: string) =>
      [...(pod?.spec.initContainers ?? []), ...(pod?.spec.containers ?? [])]
        .find((each) => each.name === name)
        ?.volumeMounts?.map((each) => each.name) ?? [];
    expect(mounts("app")).toEqual([expect.stringMatching(/^kube-api-access-/)]);
    expect(mounts("heauth")).toEqual(["heauth-run", "heauth-wal", "heauth-token", "heauth-trust"]);
    expect([mounts("heauth-redirect"), mounts("heauth-envoy")]).toEqual([[], ["heauth-run"]]);
  });

  test("one that no policy selects, or in a namespace without the label, goes in as it is", async () => {
    for (const pod of [podFor("other"), podFor("web", { metadata: { namespace: "plain" } })]) {
      expect(namesOf((await create(pod, DRY)).pod)).toBeUndefined();
    }
  });

  test("where each must have a policy, one that has none is refused", async () => {
    const strict = (app: string) => podFor(app, { metadata: { namespace: "strict" } });
    expect((await create(strict("other"), DRY)).said).toEqual(denied("NotSelected: no AuthPolicy in strict"));
    expect(namesOf((await create(strict("web"), DRY)).pod)).toEqual(OURS);
  });

  test("a policy that is not valid selects too: its pods deny", async () => {
    expect(namesOf((await create(podFor("wrong"), DRY)).pod)).toEqual(OURS);
  });

  test("a policy's ports, protected or let through, can't be heauth's own", async () => {
    await apply(server, [
      policyFor("taken", { "spec.ports.0.port": 15_006 }),
      policyFor("through", { "spec.passthroughPorts": [15_020] }),
    ]);
    expect((await create(podFor("taken"), DRY)).said).toEqual(denied("PortInUse: port 15006 of AuthPolicy taken"));
    expect((await create(podFor("through"), DRY)).said).toEqual(denied("PortInUse: port 15020 of AuthPolicy through"));
  });

  test("a policy counts from the moment that it is applied, until the moment that it is deleted", async () => {
    for (let turn = 0; turn < 3; turn++) {
      const app = `live-${turn}`;
      await apply(server, [policyFor(app)]);
      expect(namesOf((await create(podFor(app), DRY)).pod)).toEqual(OURS);
      await kubectl(server, ["delete", "authpolicy", "-n", "shop", app]);
      expect(namesOf((await create(podFor(app), DRY)).pod)).toBeUndefined();
    }
  });

  const token = { serviceAccountToken: { audience: "heauth-hub", path: "t" } };
  const adds = (power: string) => ({ container: { securityContext: { capabilities: { add: [power] } } } });
  test.each<[string, string, Parameters<typeof podFor>[1]]>([
    ["HostNetwork", "spec.hostNetwork", { spec: { hostNetwork: true } }],
    ["Windows", "spec.os", { spec: { os: { name: "windows" } } }],
    ["SharedProcesses", "spec.shareProcessNamespace", { spec: { shareProcessNamespace: true } }],
    ["SharedProcesses", "spec.hostPID", { spec: { hostPID: true } }],
    ["PrivilegedContainer", "container app is privileged", { container: { securityContext: { privileged: true } } }],
    ["PrivilegedContainer", "container app adds NET_ADMIN", adds("NET_ADMIN")],
    ["SidecarUser", "container app runs as user 43289", { spec: { securityContext: { runAsUser: 43_289 } } }],
    ["HubAudience", "volume t", { spec: { volumes: [{ name: "t", projected: { sources: [token] } }] } }],
    ["OtherMesh", "container istio-proxy", { container: { name: "istio-proxy" } }],
    ["OtherMesh", "Linkerd", { metadata: { annotations: { "linkerd.io/proxy-version": "1" } } }],
    ["PortInUse", "container app: port 15020", { container: { ports: [{ containerPort: 15_020 }] } }],
    ["NameInUse", "container heauth:", { container: { name: "heauth" } }],
    ["NameInUse", "volume heauth-wal", { spec: { volumes: [{ name: "heauth-wal", emptyDir: {} }] } }],
    [
      "NameInUse",
      "container app mounts heauth-token",
      { container: { volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] } },
    ],
  ])("one that can't be injected is refused, and kubectl says why: %s, %s", async (reason, why, pod) => {
    expect((await create(podFor("web", pod), DRY)).said).toEqual(denied(`${reason}: ${why}`));
  });

  test("a namespace that Pod Security will refuse it in is told of as a warning", async () => {
    const label = (value: string) => kubectl(server, ["label", "namespace", "shop", `${POD_SECURITY}${value}`]);
    await label("=baseline");
    const { said } = await create(podFor("web"), DRY);
    await label("-");
    expect(said).toContain(`Warning: namespace shop has ${POD_SECURITY}: baseline`);
    expect(said).toContain('violates PodSecurity "baseline:latest"');
  });

  test("a dry run makes nothing, and no question makes the webhook write anything", async () => {
    const count = async () => (await kubectl(server, ["get", "pods", "-n", "shop", "-o", "name"])).split("\n").length;
    const before = await count();
    const since = (await server.audit()).length;
    expect(namesOf((await create(podFor("web"), DRY)).pod)).toEqual(OURS);
    expect(await count()).toBe(before);
    const asked = (await server.audit()).slice(since).filter(({ user }) => user.username.endsWith(":heauth-webhook"));
    const reads = asked.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    expect(new Set(reads)).toEqual(new Set(["get namespaces", "list authpolicies"]));
  });

  test("what was answered is counted", async () => {
    const text = await cluster.webhook.metrics.text();
    for (const decision of ["Allow", "Deny"]) {
      expect(text).toMatch(
        new RegExp(`^heauth_admission_reviews_total\\{kind="Pod",decision="${decision}"\\} \\d`, "m"),
      );
    }
    expect(text).toMatch(/^heauth_admission_review_seconds_count\{kind="Pod"\} \d/m);
  });
});

const POD_SECURITY = "pod-security.kubernetes.io/enforce";
