import { fileURLToPath } from "node:url";
import { type Child, pause } from "@heauth/program";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, kubeAssets, startApiServer } from "./kube/index.ts";
import { createServer } from "./kube/process.ts";

const MANIFESTS = fileURLToPath(new URL("../manifests/", import.meta.url));
const OPERATOR = "system:serviceaccount:heauth-system:heauth-operator";
const HUB = "system:serviceaccount:heauth-system:heauth-hub";
const WEBHOOK = "system:serviceaccount:heauth-system:heauth-webhook";

const aggregator = kubeAssets()?.kubeControllerManager;

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

describeKube("rights that the manifests give", () => {
  let server: ApiServer;
  let manager: Child | undefined;

  beforeAll(async () => {
    server = await startApiServer();
    await kubectl("apply", "-R", "-f", MANIFESTS);
    await kubectl("create", "namespace", "shop");
    for (const role of ["view", "edit", "admin"]) {
      await kubectl("create", "rolebinding", role, "-n", "shop", `--clusterrole=${role}`, `--user=${role}`);
    }
    for (const role of ["heauth-tenants-view", "heauth-tenants-admin"]) {
      await kubectl("create", "clusterrolebinding", `test-${role}`, `--clusterrole=${role}`, `--user=${role}`);
    }
    if (aggregator !== undefined) manager = await startAggregation(aggregator);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await manager?.stop(AbortSignal.timeout(5_000));
    await server?.stop();
  });

  async function kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await server.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** The controller that fills `view`, `edit` and `admin`. */
  async function startAggregation(command: string): Promise<Child> {
    const flags = {
      kubeconfig: await server.kubeconfig(),
      controllers: "clusterrole-aggregation-controller",
      "leader-elect": "false",
      "secure-port": "0",
    };
    const child = createServer({
      name: "kube-controller-manager",
      folder: server.folder,
      command,
      args: () => Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      ready: async (_run, signal) => {
        // Each role is filled by itself.
        for (const [who, verb] of [
          ["admin", "create"],
          ["edit", "get"],
          ["view", "list"],
        ] as const) {
          while ((await can(who, verb, "authpolicies.heauth.io")) !== "yes") await pause(100, signal);
        }
      },
    });
    await child.start();
    return child;
  }

  async function can(user: string, verb: string, resource: string, ...where: string[]): Promise<string> {
    const namespace = where.length === 0 ? ["-n", "shop"] : where;
    const [type = "", subresource] = resource.split(" ");
    const of = subresource === undefined ? [] : [`--subresource=${subresource}`];
    const { stdout } = await server.kubectl(["auth", "can-i", verb, type, ...of, `--as=${user}`, ...namespace]);
    return stdout.trim();
  }

  const policies = "authpolicies.heauth.io";
  const tenants = "tenants.heauth.io";
  const own = ["-n", "heauth-system"];

  type Row = [who: string, verb: string, resource: string, may: "yes" | "no", where?: string[]];

  (aggregator === undefined ? test.skip : test).each<Row>([
    ["view", "list", policies, "yes"],
    ["view", "create", policies, "no"],
    ["view", "list", tenants, "no"],
    ["edit", "get", policies, "yes"],
    ["edit", "update", policies, "no"],
    ["edit", "delete", policies, "no"],
    ["admin", "delete", policies, "yes"],
    ["admin", "patch", policies, "yes"],
    ["admin", "patch", `${policies} status`, "no"],
    ["admin", "create", tenants, "no"],
  ])("Kubernetes' own role %s, %s %s: %s", async (who, verb, resource, may) => {
    expect(await can(who, verb, resource)).toBe(may);
  });

  test.each<Row>([
    ["heauth-tenants-view", "get", tenants, "yes"],
    ["heauth-tenants-view", "update", tenants, "no"],
    ["heauth-tenants-admin", "create", tenants, "yes"],
    ["heauth-tenants-admin", "patch", `${tenants} status`, "no"],
    [OPERATOR, "patch", `${tenants} status`, "yes"],
    [OPERATOR, "patch", policies, "no"],
    [OPERATOR, "delete", tenants, "no"],
    [OPERATOR, "list", "secrets", "yes", own],
    [OPERATOR, "list", "secrets", "no"],
    [OPERATOR, "create", "secrets", "no", own],
    [OPERATOR, "patch", "secrets/heauth-hub-tls", "yes", own],
    [OPERATOR, "patch", "secrets/other", "no", own],
    [OPERATOR, "patch", "configmaps/heauth-trust", "yes"],
    [OPERATOR, "patch", "configmaps/other", "no"],
    [OPERATOR, "delete", "configmaps/heauth-trust", "no"],
    [OPERATOR, "list", "configmaps", "no"],
    [OPERATOR, "update", "leases.coordination.k8s.io/heauth-operator", "yes", own],
    [OPERATOR, "update", "leases.coordination.k8s.io/other", "no", own],
    [HUB, "create", "tokenreviews.authentication.k8s.io", "yes"],
    [HUB, "get", "pods", "yes"],
    [HUB, "list", "pods", "no"],
    [HUB, "get", tenants, "no"],
    [HUB, "get", "secrets", "no", own],
    [WEBHOOK, "get", "secrets/heauth-webhook-certificates", "yes", own],
    [WEBHOOK, "get", "secrets/other", "no", own],
    [WEBHOOK, "patch", tenants, "no"],
    ["system:serviceaccount:shop:default", "get", policies, "no"],
  ])("%s, %s %s: %s", async (who, verb, resource, may, where = []) => {
    expect(await can(who, verb, resource, ...where)).toBe(may);
  });

  test("nobody but the operator writes what sidecars trust, in no namespace", async () => {
    await kubectl("create", "role", "-n", "shop", "writer", "--verb=*", "--resource=configmaps");
    await kubectl("create", "rolebinding", "-n", "shop", "writer", "--role=writer", "--user=writer");
    const asked = (...args: string[]) => server.kubectl(["-n", "shop", "--as=writer", ...args]);
    const create = (name: string) =>
      asked("create", "configmap", name, "--from-literal=hub-ca.crt=mine", "--dry-run=server");
    const why = "heauth's operator keeps it";
    const denied = { code: 1, stderr: expect.stringContaining(why) };
    // The API server goes by new rights and a new policy a moment after they were written.
    while (!(await create("heauth-trust")).stderr.includes(why)) await pause(100);
    expect(await create("other")).toMatchObject({ code: 0 });
    const trust = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "heauth-trust", namespace: "shop" },
    });
    const apply = (user: string, ...more: string[]) =>
      server.kubectl(["apply", "--server-side", `--field-manager=${user}`, ...more, `--as=${user}`, "-f", "-"], trust);
    expect(await apply(OPERATOR)).toMatchObject({ code: 0 });
    expect(await apply("writer", "--force-conflicts")).toMatchObject(denied);
    const frozen = ["patch", "configmap", "heauth-trust", "--type=merge", "-p", '{"immutable":true}'];
    expect(await asked(...frozen)).toMatchObject(denied);
    expect(await asked("delete", "configmap", "heauth-trust")).toMatchObject({ code: 0 });
  });

  test("no role but the operator's may write a Tenant's status", async () => {
    const { items } = JSON.parse(await kubectl("get", "clusterroles,roles", "-A", "-o", "json")) as {
      items: { metadata: { name: string }; rules?: Rule[] | null }[];
    };
    const writes = ({ apiGroups = [], resources = [], verbs }: Rule) =>
      apiGroups.some((group) => group === "heauth.io" || group === "*") &&
      resources.some((resource) => ["tenants/status", "*/status", "*"].includes(resource)) &&
      verbs.some((verb) => ["create", "update", "patch", "*"].includes(verb));
    const found = items.filter(({ rules }) => rules?.some(writes)).map(({ metadata }) => metadata.name);
    // The cluster's administrators, whom nothing is kept from, and Kubernetes' own controllers.
    expect(found.filter((name) => name !== "cluster-admin" && !name.startsWith("system:")).sort()).toEqual([
      "heauth-operator",
    ]);
  });
});
