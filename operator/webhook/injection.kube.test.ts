import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { AUTH_POLICIES, type KubeObject, MUTATING_WEBHOOKS, NAMESPACES, PODS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { answerPod } from "./injection/index.ts";
import type { Pod } from "./injection/pod.ts";
import { policy, settings } from "./injection/testing/pods.ts";
import {
  type Created,
  type InjectingCluster,
  manifestOf,
  podFor,
  policyFor,
  startInjecting,
} from "./testing/injecting-cluster.ts";
import { startOtherWebhook } from "./testing/other-webhook.ts";
import { refusedPods } from "./testing/refused-pods.ts";
import { kubectl } from "./testing/webhook-rig.ts";

const namesOf = (pod: Pod | undefined) => pod?.spec.initContainers?.map(({ name }) => name);
const OURS = ["heauth-redirect", "heauth", "heauth-envoy"];

describeKube("pods of a real API server", () => {
  let server: ApiServer;
  let cluster: InjectingCluster;
  beforeAll(async () => {
    server = await startApiServer({ podAccounts: true });
    cluster = await startInjecting(server);
    for (const [name, app] of [
      ["guarded", "web"],
      ["bare", "other"],
    ] as const) {
      expect((await cluster.create(podFor(app, { metadata: { name, generateName: undefined } }))).said).toBe("");
    }
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await cluster?.webhook.stop();
    await server?.stop();
  });

  const create = (pod: object) => cluster.create(pod);
  const denied = (why: string) => expect.stringContaining(`"inject.heauth.io" denied the request: ${why}`);

  const asked = (...args: string[]) => server.kubectl(["-n", "shop", ...args]);
  const done = { code: 0, stderr: "" };
  const unchanged = (why: string) => ({
    code: 1,
    stderr: expect.stringContaining(`"pods.heauth.io" denied the request: ${why}`),
  });

  test("one that is selected is injected as planned, and the API server finds nothing wrong with it", async () => {
    const probes = { livenessProbe: { grpc: { port: 8080 } }, ports: [{ name: "http", containerPort: 8080 }] };
    const more = { spec: { initContainers: [{ name: "setup", image: "setup" }] }, container: probes };
    const { pod: plain } = await create(podFor("web", { ...more, metadata: { namespace: "plain" } }));
    const namespace = { name: "shop", labels: { "heauth.io/injection": "enabled" } };
    const around = { namespace, settings, policies: [policy] };
    const planned = answerPod(plain, around);
    const { pod, said } = await create(podFor("web", more));
    expect(said).toBe("");
    expect(planned).toMatchObject({ outcome: "Injected", pod: { spec: pod?.spec } });
    expect(namesOf(pod)).toEqual([...OURS, "setup"]);

    // Filled in by the API server, and asked about again, it is what it is to be already.
    expect(answerPod(pod, around)).toEqual({ outcome: "Unchanged" });
    const { pod: again } = await create(manifestOf(pod as Pod));
    expect(again?.spec).toEqual(pod?.spec);
    expect(again?.metadata.annotations).toEqual(pod?.metadata.annotations);
  });

  test("our containers get no token for the API server; the app keeps its own", async () => {
    const { pod } = await create(podFor("web", { spec: { automountServiceAccountToken: true } }));
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
      expect(namesOf((await create(pod)).pod)).toBeUndefined();
    }
  });

  test("where each must have a policy, one that has none is refused", async () => {
    const strict = (app: string) => podFor(app, { metadata: { namespace: "strict" } });
    expect((await create(strict("other"))).said).toEqual(denied("NotSelected: no AuthPolicy in strict"));
    expect(namesOf((await create(strict("web"))).pod)).toEqual(OURS);
  });

  test("a policy that is not valid selects too: its pods deny", async () => {
    expect(namesOf((await create(podFor("wrong"))).pod)).toEqual(OURS);
  });

  test("a policy's ports, protected or let through, can't be heauth's own", async () => {
    await cluster.apply(
      policyFor("taken", { "spec.ports.0.port": 15_006 }),
      policyFor("through", { "spec.passthroughPorts": [15_020] }),
    );
    expect((await create(podFor("taken"))).said).toEqual(denied("PortInUse: port 15006 of AuthPolicy taken"));
    expect((await create(podFor("through"))).said).toEqual(denied("PortInUse: port 15020 of AuthPolicy through"));
  });

  test("a policy counts from the moment that it is applied, until the moment that it is deleted", async () => {
    for (let turn = 0; turn < 3; turn++) {
      const app = `live-${turn}`;
      await cluster.apply(policyFor(app));
      expect(namesOf((await create(podFor(app))).pod)).toEqual(OURS);
      await server.client.remove(AUTH_POLICIES, { namespace: "shop", name: app });
      expect(namesOf((await create(podFor(app))).pod)).toBeUndefined();
    }
  });

  test.each(refusedPods)(
    "one that can't be injected is refused, and the user told why: %s, %s",
    async (reason, why, pod) => {
      expect((await create(podFor("web", pod))).said).toEqual(denied(`${reason}: ${why}`));
    },
  );

  test("kubectl shows why, and that it is no mistake of the cluster's", async () => {
    const { said } = await cluster.tryOut(podFor("web", { spec: { hostNetwork: true } }));
    expect(said).toEqual(denied("HostNetwork: spec.hostNetwork"));
    expect(said).toMatch(/^Error from server \(Forbidden\): /);
  });

  test("a namespace that Pod Security will refuse it in is told of as a warning", async () => {
    const label = (level: string | null) =>
      server.client.patch(NAMESPACES, { name: "shop" }, { metadata: { labels: { [POD_SECURITY]: level } } });
    await label("baseline");
    const { said } = await cluster.tryOut(podFor("web"));
    await label(null);
    // What comes next is not to be refused for it any more.
    await cluster.createUntil(podFor("web"), (created) => created.said === "");
    expect(said).toContain(`Warning: namespace shop has ${POD_SECURITY}: baseline`);
  });

  test("a dry run makes nothing, and no question makes the webhook write anything", async () => {
    const count = async () => (await server.client.list(PODS, { namespace: "shop" })).items.length;
    const before = await count();
    const since = (await server.audit()).length;
    expect(namesOf((await cluster.tryOut(podFor("web"))).pod)).toEqual(OURS);
    expect(await count()).toBe(before);
    const asked = (await server.audit()).slice(since).filter(({ user }) => user.username.endsWith(":heauth-webhook"));
    expect(asked.filter(({ verb }) => verb !== "get" && verb !== "list")).toEqual([]);
    // As of now: with a resourceVersion the API server might answer by what it knew a moment ago.
    expect(asked.map(({ requestURI }) => requestURI)).toEqual(
      expect.arrayContaining(["/api/v1/namespaces/shop", "/apis/heauth.io/v1alpha1/namespaces/shop/authpolicies"]),
    );
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

  test("a pod without a sidecar gets no labels that select it; all other changes are let be", async () => {
    expect(await asked("label", "pod", "bare", "app=web", "--overwrite")).toMatchObject(
      unchanged("NotInjected: AuthPolicy web selects these labels"),
    );
    const web = JSON.stringify({ metadata: { labels: { app: "web" } } });
    expect(await asked("patch", "pod", "bare", "--subresource=status", "--type=merge", "-p", web)).toMatchObject(
      unchanged("NotInjected: AuthPolicy web selects these labels"),
    );
    const running = JSON.stringify({ status: { phase: "Running" } });
    expect(await asked("patch", "pod", "bare", "--subresource=status", "--type=merge", "-p", running)).toMatchObject(
      done,
    );
    expect(await asked("label", "pod", "bare", "app=another", "--overwrite")).toMatchObject(done);
    expect(await asked("label", "pod", "bare", "app-")).toMatchObject(done);
    expect(await asked("annotate", "pod", "bare", "a=b")).toMatchObject(done);
    expect(await asked("label", "pod", "guarded", "app=other", "--overwrite")).toMatchObject(done);
    expect(await asked("label", "pod", "guarded", "app=web", "--overwrite")).toMatchObject(done);
  });

  test("a sidecar keeps its image; the app can have another one", async () => {
    for (const container of ["heauth", "heauth-envoy", "heauth-redirect"]) {
      expect(await asked("set", "image", "pod/guarded", `${container}=mine`)).toMatchObject(
        unchanged(`SidecarChanged: container ${container}`),
      );
    }
    expect(await asked("set", "image", "pod/guarded", "app=newer")).toMatchObject(done);
  });

  test("debugging containers may do no more than the pod's own", async () => {
    const debug = (...more: string[]) => asked("debug", "guarded", "--image=busybox", ...more);
    expect(await debug("-c", "one", "--target=heauth")).toMatchObject(unchanged("SharedProcesses: container one"));
    expect(await debug("-c", "two", "--profile=sysadmin")).toMatchObject(
      unchanged("PrivilegedContainer: container two"),
    );
    expect(await debug("-c", "three", "--profile=netadmin")).toMatchObject(
      unchanged("PrivilegedContainer: container three"),
    );
    expect(await debug("-c", "four", "--target=app", "--profile=general")).toMatchObject(
      unchanged("PrivilegedContainer: container four adds SYS_PTRACE"),
    );
    expect(await debug("-c", "five", "--target=app", "--profile=restricted")).toMatchObject({ code: 0 });
    const { stdout } = await asked("get", "pod", "guarded", "-o", "jsonpath={.spec.ephemeralContainers[*].name}");
    expect(stdout).toBe("five");
  });

  test("what another webhook does to our containers afterwards is undone, what it does to the others stays", async () => {
    const value = { name: "heauth-envoy", image: "theirs" };
    const isTheirs = ({ pod }: Created) => pod?.spec.containers[0]?.image === "theirs";
    const other = await startOtherWebhook([
      { op: "replace", path: "/spec/initContainers", value: [value] },
      { op: "add", path: "/spec/containers/0/image", value: "theirs" },
    ]);
    try {
      await cluster.apply(other.configuration);
      const { pod } = await cluster.createUntil(podFor("web"), isTheirs);
      const spec = pod?.spec;
      expect(spec?.initContainers?.map(({ name, image }) => `${name} ${image}`)).toEqual([
        "heauth-redirect heauth:1",
        "heauth heauth:1",
        "heauth-envoy heauth-envoy:1",
      ]);
    } finally {
      await server.client.remove(MUTATING_WEBHOOKS, { name: "other" });
      await cluster.createUntil(podFor("web"), (created) => !isTheirs(created));
      await other.stop();
    }
  });

  test("a LimitRange's defaults are for the others' containers", async () => {
    const LIMIT_RANGES = { ...PODS, plural: "limitranges", kind: "LimitRange" };
    const metadata = { namespace: "shop", name: "defaults" };
    const limits = [{ type: "Container", default: { cpu: "2" } }];
    await server.client.apply(LIMIT_RANGES, { metadata, spec: { limits } } as KubeObject, { fieldManager: "test" });
    const isLimited = ({ pod }: Created) => pod?.spec.containers[0]?.resources?.limits?.["cpu"] === "2";
    const { pod } = await cluster.createUntil(podFor("web"), isLimited);
    await server.client.remove(LIMIT_RANGES, metadata);
    expect(pod?.spec.initContainers?.map(({ resources }) => resources?.limits)).toEqual(
      [settings.resources.redirect, settings.resources.heauth, settings.resources.envoy].map(({ limits }) => limits),
    );
  });

  test("when it can't be known whose a pod is, it is refused and told why", async () => {
    const role = "clusterrole/heauth-webhook";
    const before = await kubectl(server, ["get", role, "-o", "jsonpath={.rules}"]);
    const patch = (rules: string) => kubectl(server, ["patch", role, "--type=merge", "-p", `{"rules":${rules}}`]);
    await patch("[]");
    try {
      const { said } = await cluster.createUntil(podFor("web"), (created) => created.said !== "");
      expect(said).toContain(
        "\"inject.heauth.io\" denied the request: heauth can't know which AuthPolicy is the pod's",
      );
      expect(said).toContain("(Forbidden)");
      expect(await cluster.webhook.metrics.text()).toMatch(
        /^heauth_admission_reviews_total\{kind="Pod",decision="Error"\} [1-9]/m,
      );
    } finally {
      await patch(before);
      await cluster.createUntil(podFor("web"), ({ said }) => said === "");
    }
  });

  test("while no webhook answers, only the namespaces that ask for injection wait for it", async () => {
    for (const namespace of ["kube-system", "heauth-system"]) {
      await kubectl(server, ["label", "namespace", namespace, "heauth.io/injection=required"]);
      const account = { kind: "ServiceAccount", metadata: { name: "default", namespace } };
      await cluster.apply(account, policyFor("web", { namespace }));
    }
    const harmless = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, runAsNonRoot: true };
    const container = { securityContext: { ...harmless, seccompProfile: { type: "RuntimeDefault" } } };
    const inNamespace = (namespace: string) => podFor("web", { metadata: { namespace }, container });
    expect((await cluster.create(inNamespace("shop"))).said).toBe("");
    await cluster.webhook.stop();
    for (const namespace of ["shop", "strict"]) {
      const { said } = await cluster.create(inNamespace(namespace));
      expect(said).toContain('failed calling webhook "inject.heauth.io"');
    }
    for (const namespace of ["plain", "kube-system", "heauth-system"]) {
      const { pod, said } = await cluster.create(inNamespace(namespace));
      expect([said, pod?.spec.initContainers]).toEqual(["", undefined]);
    }
    // Pods that are there go on, and can end.
    expect(await asked("annotate", "pod", "bare", "c=d")).toMatchObject(done);
    expect(await asked("label", "pod", "guarded", "role=leader")).toMatchObject(done);
    expect((await asked("label", "pod", "bare", "app=web")).stderr).toContain(
      'failed calling webhook "pods.heauth.io"',
    );
    expect(await asked("delete", "pod", "guarded", "--grace-period=0", "--force")).toMatchObject({ code: 0 });
  });
});

const POD_SECURITY = "pod-security.kubernetes.io/enforce";
