import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { authPolicy, changed } from "@heauth/core/resources/testing";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { pause } from "@heauth/program";
import {
  AUTH_POLICIES,
  type ClusterClient,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  openCluster,
  PODS,
  SECRETS,
  TENANTS,
  VALIDATING_WEBHOOKS,
} from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { freePort } from "../parts/free-port.ts";

const HEAUTH = fileURLToPath(new URL("../main.ts", import.meta.url));
const MANIFESTS = fileURLToPath(new URL("../../manifests/", import.meta.url));
const NAME = "heauth-webhook";
const account = { serviceAccount: NAME, namespace: "heauth-system" };

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

describeKube("heauth webhook as its own account", () => {
  let server: ApiServer;
  let own: ClusterClient;
  let folder: string;
  let kubeconfig: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    server = await startApiServer();
    folder = await mkdtemp(join(tmpdir(), "heauth-webhook-"));
    for (const file of ["namespace.yaml", "rbac/webhook.yaml", "webhook.yaml", "injection.yaml"]) {
      expect(await server.kubectl(["apply", "-f", join(MANIFESTS, file)])).toMatchObject({ code: 0 });
    }
    // There are no pods: the Service is another name for this machine.
    const service = { spec: { type: "ExternalName", externalName: "localhost", selector: null, ports: null } };
    await kubectl("patch", "service", "-n", account.namespace, NAME, "--type=merge", "-p", JSON.stringify(service));
    await kubectl("create", "namespace", "shop");
    await kubectl("label", "namespace", "shop", "heauth.io/injection=required");
    kubeconfig = await server.kubeconfig(account);
    ({ client: own } = await openCluster({ kubeconfig }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
  afterAll(async () => {
    await server?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await server.kubectl(args);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  /** Starts it, and waits until it says that it is ready. */
  async function start(flags: Record<string, string> = {}) {
    const [port, probes] = [await freePort(), await freePort()];
    const all = {
      kubeconfig,
      listen: `127.0.0.1:${port}`,
      probes: `127.0.0.1:${probes}`,
      "log-level": "warn",
      ...flags,
    };
    const args = Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value]);
    const started = spawn(process.execPath, [HEAUTH, "webhook", ...args], { stdio: ["ignore", "inherit", "inherit"] });
    child = started;
    const page = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${probes}${path}`).catch(() => undefined);
      return { ok: answer?.ok ?? false, text: (await answer?.text()) ?? "" };
    };
    for (let tries = 0; !(await page("/readyz")).ok; tries++) {
      if (tries === 1_200 || started.exitCode !== null || started.signalCode !== null) {
        throw new Error("heauth webhook does not get ready");
      }
      await pause(50);
    }
    return { port, page, process: started };
  }

  test("it needs exactly the rights that it has", async () => {
    const injection = join(folder, "injection.yaml");
    await writeFile(injection, "images: {heauth: heauth:1, envoy: heauth-envoy:1}");
    const { port, page, process: running } = await start({ injection });
    const at = (webhook: number) => ({
      op: "replace",
      path: `/webhooks/${webhook}/clientConfig/service/port`,
      value: port,
    });
    const patch = (kind: string, webhooks: number[]) =>
      kubectl("patch", kind, NAME, "--type=json", "-p", JSON.stringify(webhooks.map(at)));
    await patch("mutatingwebhookconfiguration", [0]);
    await patch("validatingwebhookconfiguration", [0, 1]);
    let refused = await create(changed(authPolicy, "spec.rules.2.when", "nonsense"));
    for (let tries = 0; refused.stderr.includes("failed calling webhook") && tries < 300; tries++) {
      await pause(100);
      refused = await create(changed(authPolicy, "spec.rules.2.when", "nonsense"));
    }
    expect(refused.stderr).toContain("spec.rules[2].when");
    const { code, stderr } = await create(authPolicy);
    expect([code, stderr]).toEqual([0, expect.stringContaining("there is no Tenant acme yet")]);
    expect((await create(pod)).stderr).toContain("no AuthPolicy in shop selects the pod's labels");
    expect((await page("/metrics")).text).toMatch(
      /^heauth_certificate_expiry_seconds\{certificate="authority"\} 3\d{7}/m,
    );

    const username = `system:serviceaccount:${account.namespace}:${account.serviceAccount}`;
    const events = (await server.audit()).filter(
      ({ user, stage }) => user.username === username && stage === "ResponseComplete",
    );
    expect(events.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
    // That an apply may create is checked too, and is told by its answer only.
    const used = events.flatMap(({ verb, objectRef, responseStatus }) =>
      [verb, ...(responseStatus?.code === 201 ? ["create"] : [])].map(
        (each) => `${each} ${objectRef?.apiGroup ?? ""}/${objectRef?.resource} ${objectRef?.name}`,
      ),
    );
    expect([...new Set(used)].sort()).toEqual((await granted()).sort());

    running.kill("SIGTERM");
    expect(await once(running, "exit")).toEqual([0, null]);
  }, 120_000);

  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "shop" },
    spec: { containers: [{ name: "app", image: "app" }] },
  };
  const create = (resource: object) =>
    server.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(resource));

  /** What the manifest grants: verb, group, resource, name; the one that it is asked about where the manifest names none. */
  async function granted(): Promise<string[]> {
    const text = await readFile(join(MANIFESTS, "rbac/webhook.yaml"), "utf8");
    const rules = parseAllDocuments(text).flatMap((each) => (each.toJS() as { rules?: Rule[] }).rules ?? []);
    const asked: Record<string, string> = { tenants: "acme", namespaces: "shop" };
    return rules.flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          (resourceNames ?? [asked[resource]]).flatMap((name) =>
            verbs.map((verb) => `${verb} ${group}/${resource} ${name}`),
          ),
        ),
      ),
    );
  }

  test("its account can make and read no other Secret, and write nobody else's configuration", async () => {
    const { namespace } = account;
    const secret = (name: string) => ({ metadata: { namespace, name } });
    const asOwn = { fieldManager: "test" };
    for (const attempt of [
      () => own.create(SECRETS, secret("heauth-webhook-certificates")),
      () => own.apply(SECRETS, secret("other"), asOwn),
      () => own.get(SECRETS, { namespace, name: "other" }),
      () => own.list(SECRETS, { namespace }),
      () => own.remove(SECRETS, { namespace, name: "heauth-webhook-certificates" }),
      () => own.apply(SECRETS, { metadata: { namespace: "shop", name: "heauth-webhook-certificates" } }, asOwn),
      () => own.apply(VALIDATING_WEBHOOKS, { metadata: { name: "other" } }, asOwn),
      () => own.remove(VALIDATING_WEBHOOKS, { name: NAME }),
      () => own.patch(TENANTS, { name: "acme" }, { metadata: { labels: { a: "b" } } }),
      () => own.list(TENANTS, {}),
      () => own.list(NAMESPACES, {}),
      () => own.get(AUTH_POLICIES, { namespace: "shop", name: "web" }),
      () => own.list(PODS, { namespace: "shop" }),
      () => own.apply(MUTATING_WEBHOOKS, { metadata: { name: "other" } }, asOwn),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "Forbidden" });
    }
  });

  test("with a certificate that somebody else looks after it touches neither Secret nor caBundle", async () => {
    const since = (await server.audit()).length;
    const secret = JSON.parse(
      await kubectl("get", "secret", "-n", account.namespace, "heauth-webhook-certificates", "-o", "json"),
    );
    const file = async (name: string) => {
      const path = join(folder, name);
      await writeFile(path, Buffer.from(secret.data[name], "base64"));
      return path;
    };
    const { page, process: running } = await start({
      "tls-cert": await file("tls.crt"),
      "tls-key": await file("tls.key"),
    });
    expect((await page("/readyz")).text).toBe('{"ok":true,"problems":{}}');
    running.kill("SIGTERM");
    expect(await once(running, "exit")).toEqual([0, null]);
    const events = (await server.audit()).slice(since).filter(({ user }) => user.username.includes("heauth-webhook"));
    expect(events).toEqual([]);
  }, 90_000);
});
