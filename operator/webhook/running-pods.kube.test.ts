import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Pod } from "./injection/pod.ts";
import { apply, type InjectingCluster, podFor, policyFor, startInjecting } from "./testing/injecting-cluster.ts";
import { startOtherWebhook } from "./testing/other-webhook.ts";
import { kubectl } from "./testing/webhook-rig.ts";

describeKube("pods in a cluster, their changes, and what is around them", () => {
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

  const asked = (...args: string[]) => server.kubectl(["-n", "shop", ...args]);
  const done = { code: 0, stderr: "" };
  const denied = (why: string) => ({
    code: 1,
    stderr: expect.stringContaining(`"pods.heauth.io" denied the request: ${why}`),
  });

  test("a pod without a sidecar gets no labels that select it; all other changes are let be", async () => {
    expect(await asked("label", "pod", "bare", "app=web", "--overwrite")).toMatchObject(
      denied("NotInjected: AuthPolicy web selects these labels"),
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
        denied(`SidecarChanged: container ${container}`),
      );
    }
    expect(await asked("set", "image", "pod/guarded", "app=newer")).toMatchObject(done);
  });

  test("debugging containers may do no more than the pod's own", async () => {
    const debug = (...more: string[]) => asked("debug", "guarded", "--image=busybox", ...more);
    expect(await debug("-c", "one", "--target=heauth")).toMatchObject(denied("SharedProcesses: container one"));
    expect(await debug("-c", "two", "--profile=sysadmin")).toMatchObject(denied("PrivilegedContainer: container two"));
    expect(await debug("-c", "three", "--profile=netadmin")).toMatchObject(
      denied("PrivilegedContainer: container three"),
    );
    expect(await debug("-c", "four", "--target=app", "--profile=general")).toMatchObject(
      denied("PrivilegedContainer: container four adds SYS_PTRACE"),
    );
    expect(await debug("-c", "five", "--target=app", "--profile=restricted")).toMatchObject({ code: 0 });
    const { stdout } = await asked("get", "pod", "guarded", "-o", "jsonpath={.spec.ephemeralContainers[*].name}");
    expect(stdout).toBe("five");
  });

  test("what another webhook does to our containers afterwards is undone, what it does to the others stays", async () => {
    const value = { name: "heauth-envoy", image: "theirs" };
    const other = await startOtherWebhook([
      { op: "replace", path: "/spec/initContainers", value: [value] },
      { op: "add", path: "/spec/containers/0/image", value: "theirs" },
    ]);
    try {
      await apply(server, [other.configuration]);
      let spec: Pod["spec"] | undefined;
      // Until the API server goes by the new configuration.
      for (let tries = 0; spec?.containers[0]?.image !== "theirs" && tries < 100; tries++) {
        ({ spec } = (await cluster.create(podFor("web"), "--dry-run=server")).pod ?? {});
      }
      expect(spec?.containers).toMatchObject([{ image: "theirs" }]);
      expect(spec?.initContainers?.map(({ name, image }) => `${name} ${image}`)).toEqual([
        "heauth-redirect heauth:1",
        "heauth heauth:1",
        "heauth-envoy heauth-envoy:1",
      ]);
    } finally {
      await kubectl(server, ["delete", "mutatingwebhookconfiguration", "other"]);
      await other.stop();
    }
  });

  test("when it can't be known whose a pod is, it is refused and told why", async () => {
    const rules = ["-o", "jsonpath={.rules}"];
    const before = await kubectl(server, ["get", "clusterrole", "heauth-webhook", ...rules]);
    const patch = (value: string) =>
      kubectl(server, ["patch", "clusterrole", "heauth-webhook", "--type=merge", "-p", `{"rules":${value}}`]);
    await patch("[]");
    try {
      let said = "";
      for (let tries = 0; said === "" && tries < 100; tries++) {
        ({ said } = await cluster.create(podFor("web"), "--dry-run=server"));
      }
      expect(said).toContain(
        "\"inject.heauth.io\" denied the request: heauth can't know which AuthPolicy is the pod's",
      );
      expect(said).toContain("(Forbidden)");
      expect(await cluster.webhook.metrics.text()).toMatch(
        /^heauth_admission_reviews_total\{kind="Pod",decision="Error"\} [1-9]/m,
      );
    } finally {
      await patch(before);
    }
  });

  test("while no webhook answers, only the namespaces that ask for injection wait for it", async () => {
    for (const namespace of ["kube-system", "heauth-system"]) {
      await kubectl(server, ["label", "namespace", namespace, "heauth.io/injection=required"]);
      await apply(server, [
        { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } },
        policyFor("web", { namespace }),
      ]);
    }
    const harmless = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, runAsNonRoot: true };
    const container = { securityContext: { ...harmless, seccompProfile: { type: "RuntimeDefault" } } };
    const inNamespace = (namespace: string) => podFor("web", { metadata: { namespace }, container });
    const { said: refused } = await cluster.create(inNamespace("shop"), "--dry-run=server");
    expect(refused).toBe("");
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
    expect(await asked("annotate", "pod", "guarded", "c=d")).toMatchObject(done);
    expect((await asked("label", "pod", "bare", "app=web")).stderr).toContain(
      'failed calling webhook "pods.heauth.io"',
    );
    expect(await asked("delete", "pod", "guarded", "--grace-period=0", "--force")).toMatchObject({ code: 0 });
  });
});
