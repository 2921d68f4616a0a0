import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import type { CommandResult } from "../kube/command.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const WITHIN_MS = 60_000;
const INJECTION = "heauth.io/injection";
const adds = (power: string) => ({ securityContext: { capabilities: { add: [power] } } });
const hubToken = { serviceAccountToken: { audience: "heauth-hub", path: "token" } };

/** What is changed in a pod, and what its author is told. */
const REFUSED: readonly [
  reason: string,
  says: RegExp,
  change: { spec?: object; container?: object; metadata?: object },
][] = [
  ["HostNetwork", /spec\.hostNetwork: .*; leave it out/, { spec: { hostNetwork: true } }],
  ["Windows", /spec\.os: .*Linux only/, { spec: { os: { name: "windows" } } }],
  ["SharedProcesses", /spec\.shareProcessNamespace: .*; leave it out/, { spec: { shareProcessNamespace: true } }],
  ["SharedProcesses", /spec\.hostPID: .*; leave it out/, { spec: { hostPID: true } }],
  ["PrivilegedContainer", /container app is privileged/, { container: { securityContext: { privileged: true } } }],
  ["PrivilegedContainer", /container app adds NET_ADMIN/, { container: adds("NET_ADMIN") }],
  [
    "PrivilegedContainer",
    /container setup adds SYS_PTRACE/,
    { spec: { initContainers: [{ name: "setup", image: "x", ...adds("SYS_PTRACE") }] } },
  ],
  ["SidecarUser", /container app runs as user 43288/, { spec: { securityContext: { runAsUser: 43_288 } } }],
  [
    "HubAudience",
    /volume mine: a token for heauth-hub/,
    { spec: { volumes: [{ name: "mine", projected: { sources: [hubToken] } }] } },
  ],
  [
    "OtherMesh",
    /Istio has put its proxy into the pod/,
    { metadata: { annotations: { "sidecar.istio.io/status": "{}" } } },
  ],
  ["PortInUse", /container app: port 15006 is heauth's own/, { container: { ports: [{ containerPort: 15_006 }] } }],
  [
    "NameInUse",
    /container app mounts heauth-token/,
    { container: { volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] } },
  ],
  [
    "NameInUse",
    /volume heauth-run: the name is heauth's own/,
    { spec: { volumes: [{ name: "heauth-run", emptyDir: {} }] } },
  ],
  [
    "LogClaim",
    /volume heauth-wal: only the claim heauth-wal-POD/,
    { spec: { volumes: [{ name: "heauth-wal", persistentVolumeClaim: { claimName: "mine" } }] } },
  ],
];

describe("what is refused", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let podsBefore: string[];

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster);
    podsBefore = await names();
  }, 240_000);
  afterAll(async () => {
    await scene?.remove();
  });

  const names = async () =>
    (await scene.kubectl(["get", "pods", "-o=jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}"]))
      .trim()
      .split("\n");
  const run = (args: readonly string[], input?: object): Promise<CommandResult> =>
    cluster.kubectl([`--namespace=${scene.name}`, ...args], input && JSON.stringify(input));
  const podSpec = (spec: object = {}, container: object = {}) => ({
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "app",
        image: cluster.images.echo,
        imagePullPolicy: "IfNotPresent",
        args: ["listen", "8080"],
        ...container,
      },
    ],
    ...spec,
  });
  const podOf = (name: string, app: string, spec?: object, metadata: object = {}) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app }, ...metadata },
    spec: spec ?? podSpec(),
  });
  const create = (pod: object, ...more: string[]) => run(["create", "--filename=-", ...more], pod);
  const denied = (webhook: string, reason: string, says: RegExp) => ({
    code: 1,
    stderr: expect.stringMatching(
      new RegExp(`admission webhook "${webhook.replaceAll(".", "\\.")}" denied the request: ${reason}: ${says.source}`),
    ),
  });

  describe("of pods that are to be created", () => {
    let said: readonly string[];
    beforeAll(async () => {
      const items = REFUSED.map(([, , { spec, container, metadata }], index) =>
        podOf(`refused-${index}`, "app", podSpec(spec, container), metadata),
      );
      const { stderr } = await create({ apiVersion: "v1", kind: "List", items });
      said = stderr.trim().split(/\n(?=Error from server)/);
      if (said.length !== REFUSED.length) throw new Error(`not each of ${REFUSED.length} pods was refused: ${stderr}`);
    }, 60_000);

    test.each(REFUSED.map(([reason, says], index) => [reason, says, index] as const))(
      "%s: %s",
      (reason, says, index) => {
        expect({ code: 1, stderr: said[index] }).toEqual(denied("inject.heauth.io", reason, says));
      },
    );

    test("nothing of them is left behind", async () => {
      expect(await names()).toEqual(podsBefore);
    });

    test("one that no policy selects is nobody's business here", async () => {
      const { code } = await create(podOf("nobodys", "nobody", podSpec({ hostNetwork: true })), "--dry-run=server");
      expect(code).toBe(0);
    });
  });

  test("a Deployment's author finds the reason in its conditions and events", async () => {
    const labels = { app: "app", of: "refused" };
    await scene.kubectl(
      ["create", "--filename=-"],
      JSON.stringify({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "refused" },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec({ hostNetwork: true }) },
        },
      }),
    );
    const message = "HostNetwork: spec.hostNetwork";
    const [condition, events] = await Promise.all(
      [
        ["get", "deployment/refused", "-o=jsonpath={.status.conditions[?(@.type=='ReplicaFailure')].message}"],
        ["describe", "replicasets", "--selector=of=refused"],
      ].map((args) =>
        eventually(
          () => scene.kubectl(args),
          (said) => said.includes(message),
          WITHIN_MS,
        ),
      ),
    );
    expect(condition).toContain(message);
    expect(events).toMatch(
      /Warning +FailedCreate .*admission webhook "inject\.heauth\.io" denied the request: HostNetwork/,
    );
    await scene.kubectl(["delete", "deployment/refused", "--wait=false"]);
  });

  test("a pod that existed before its policy is named until it is made anew", async () => {
    const condition = (status: string) =>
      eventually(
        async () => {
          const { status: found } = JSON.parse(await scene.kubectl(["get", "authpolicy/late", "-o=json"]));
          return found?.conditions?.find(({ type }: { type: string }) => type === "Enforced");
        },
        (each) => each?.status === status,
        WITHIN_MS,
      );
    await must(create(podOf("early", "late")));
    const { spec } = JSON.parse(await scene.kubectl(["get", "authpolicy/app", "-o=json"]));
    const policy = {
      apiVersion: "heauth.io/v1alpha1",
      kind: "AuthPolicy",
      metadata: { name: "late" },
      spec: { ...spec, selector: { matchLabels: { app: "late" } } },
    };
    await must(create(policy));
    expect(await condition("False")).toMatchObject({
      reason: "PodsNotInjected",
      message: expect.stringContaining("early"),
    });
    await scene.kubectl(["delete", "pod/early"]);
    await must(create(podOf("early", "late")));
    expect(await condition("True")).toMatchObject({ status: "True" });
  }, 180_000);

  describe("of pods that run", () => {
    test("one without a sidecar gets no labels that a policy selects, and all others", async () => {
      expect(await run(["label", "pod/client", "--overwrite", "app=app"])).toMatchObject(
        denied("pods.heauth.io", "NotInjected", /AuthPolicy app selects these labels.*make a new pod with them/),
      );
      expect(await run(["label", "pod/client", "mine=yes"])).toMatchObject({ code: 0 });
    });

    test("an injected one keeps heauth's images, and nobody looks into its sidecar", async () => {
      const [name = ""] = podsBefore.filter((each) => each.startsWith("app-"));
      expect(await run(["label", `pod/${name}`, "mine=yes"])).toMatchObject({ code: 0 });
      expect(await run(["set", "image", `pod/${name}`, `heauth=${cluster.images.echo}`])).toMatchObject(
        denied("pods.heauth.io", "SidecarChanged", /container heauth: its image is heauth's own/),
      );
      const debug = ["debug", name, `--image=${cluster.images.echo}`, "--image-pull-policy=IfNotPresent"];
      expect(await run([...debug, "--target=heauth", "--profile=restricted"])).toMatchObject(
        denied("pods.heauth.io", "SharedProcesses", /.*its target heauth is heauth's own/),
      );
      expect(await run([...debug, "--target=app", "--profile=netadmin"])).toMatchObject(
        denied("pods.heauth.io", "PrivilegedContainer", /.*NET_ADMIN/),
      );
    });
  });

  test("with `required`, a pod that no policy selects", async () => {
    await scene.kubectl(["label", "namespace", scene.name, `${INJECTION}=required`, "--overwrite"]);
    const answer = await eventually(
      () => create(podOf("nobodys", "nobody"), "--dry-run=server"),
      ({ code }) => code !== 0,
      WITHIN_MS,
    );
    expect(answer).toMatchObject(
      denied("inject.heauth.io", "NotSelected", /no AuthPolicy in .* required lets no other/),
    );
    expect(await create(podOf("mine", "app"), "--dry-run=server")).toMatchObject({ code: 0 });
  });

  test("by Pod Security: heauth warns where it can't but refuse", async () => {
    const level = "pod-security.kubernetes.io/enforce";
    for (const enforced of ["baseline", "restricted"]) {
      await scene.kubectl(["label", "namespace", scene.name, `${level}=${enforced}`, "--overwrite"]);
      const { code, stderr } = await eventually(
        () => create(podOf("insecure", "app"), "--dry-run=server"),
        (answer) => answer.code !== 0 && answer.stderr.includes(`PodSecurity "${enforced}`),
        WITHIN_MS,
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`Warning: .*${level}: ${enforced}, which refuses the container that redirects`),
      );
      expect(stderr).toContain("heauth-redirect");
    }
  });
});
