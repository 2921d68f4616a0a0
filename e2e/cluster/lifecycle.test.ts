import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { eventually } from "../faults/eventually.ts";
import { loginOf } from "../login.ts";
import { CLUSTER_STARTS_WITHIN_MS, startCluster } from "./index.ts";
import { type Earlier, installEarlier, rollBackToEarlier } from "./install/earlier.ts";
import { buildImages } from "./install/images.ts";
import { installHeauth, NAMESPACE } from "./install/install.ts";
import type { InstalledCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { askFrom } from "./testing/ask.ts";
import { heauth, verifyLedger } from "./testing/cli.ts";
import { LASTING, uidsOf } from "./testing/lasting.ts";
import { type Load, startLoad, tally } from "./testing/load.ts";
import { appObjects } from "./testing/objects.ts";
import { type Account, type Login, type People, peopleOf } from "./testing/people.ts";
import { queryRows } from "./testing/rows.ts";

const ROOT = join(import.meta.dirname, "../..");
const APP = "e2e-life";
const CLIENT = { namespace: APP, pod: "client" };
const IDENTITY = `http://heauth-identity.${NAMESPACE}.svc`;
const MADE_BY_OPERATOR = ["Secret/heauth-hub-tls", "Secret/heauth-hub-ca", "ConfigMap/heauth-trust"];
/** The most that a Tenant allows: how long a machine that is busy with all these pods may keep a sidecar from a new hub. */
const SLOW_MACHINE = "60s";
const SOON = { maxStaleness: "5s", revalidateAfter: "5s" };
const WITHIN_MS = 60_000;
const WITHIN = "--timeout=120s";

interface AppPod {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec: { readonly initContainers?: readonly unknown[] };
  readonly status: { readonly podIP: string };
}

// One story: each test goes on where the last one ended.
describe("a release, from a version before injection until it is installed again", () => {
  let cluster: InstalledCluster;
  let earlier: Earlier;
  let people: People;
  let writer: Account;
  /** Since before the upgrade. */
  let session: Login;
  let anchor: string;
  let before: Awaited<ReturnType<typeof uidsOf>>;

  const kubectl = (...args: string[]) => must(cluster.kubectl([`--namespace=${NAMESPACE}`, ...args]));
  const inApp = (...args: string[]) => must(cluster.kubectl([`--namespace=${APP}`, ...args]));
  const helm = (...args: string[]) => must(cluster.helm([...args, `--namespace=${NAMESPACE}`]));
  const json = async (...args: string[]) => JSON.parse(await kubectl("get", ...args, "--output=json"));
  const put = async (token?: string, at = `http://app.${APP}`) => {
    const question = { url: `${at}/file`, method: "PUT", ...(token !== undefined && { token }) };
    return (await askFrom(cluster, CLIENT, question)).status;
  };
  const until = (wanted: number, ask: () => Promise<number>) =>
    eventually(ask, (status) => status === wanted, WITHIN_MS);
  const note = () => kubectl("get", "tenant", APP, "--output=jsonpath={.status.ledger.note}");
  const verified = async () =>
    await eventually(
      () => verifyLedger(cluster, APP, "--require-anchor", "--require-complete"),
      ({ code }) => code === 0,
      WITHIN_MS,
    );
  const applied = () =>
    queryRows<{ name: string }>(cluster, "SELECT name FROM heauth_migrations.applied ORDER BY id").then((rows) =>
      rows.map(({ name }) => name.slice(0, 3)),
    );
  const caBundles = async () => {
    const items = (await json("validatingwebhookconfigurations,mutatingwebhookconfigurations")).items as {
      webhooks: { name: string; clientConfig: { caBundle?: string } }[];
    }[];
    return Object.fromEntries(
      items.flatMap(({ webhooks }) => webhooks.map(({ name, clientConfig }) => [name, clientConfig.caBundle])),
    );
  };
  const load = (url: string, token = "") =>
    startLoad(cluster, CLIENT, { url, token, kept: 2, fresh: 2, restMs: 50, seconds: 300 });

  /** Does something while apps and users go on asking: every request is answered, by the app and by identity. */
  async function unnoticed(what: string, change: () => Promise<void>, token?: string): Promise<void> {
    const loads: [Load, number][] = [[await load(IDENTITY), 404]];
    if (token !== undefined) loads.push([await load(`http://app.${APP}`, token), 200]);
    await change();
    for (const [each, expected] of loads) {
      const outcomes = await each.stop();
      console.log(`${what}: ${outcomes.length} requests, ${tally(outcomes)}`);
      expect(outcomes.length).toBeGreaterThan(10);
      expect(JSON.parse(tally(outcomes))).toEqual({ [expected]: outcomes.length });
    }
  }

  beforeAll(async () => {
    const own = await startCluster();
    const images = await buildImages(own);
    cluster = { ...own, namespace: NAMESPACE, images };
    earlier = await installEarlier(own, images);
    const policy = { authentication: { audiences: [APP], maxStaleness: SLOW_MACHINE } };
    const { resources, workloads } = appObjects(APP, images.echo, { policy });
    await must(cluster.kubectl(["apply", `--namespace=${APP}`, "--filename=-"], resources));
    await must(cluster.kubectl(["apply", `--namespace=${APP}`, "--filename=-"], workloads));
    await inApp("wait", `tenant/${APP}`, "--for=condition=Ready", WITHIN);
    await inApp("rollout", "status", "deployment/app", WITHIN);
    await inApp("wait", "pod/client", "--for=condition=Ready", WITHIN);
    people = await peopleOf(cluster, APP, CLIENT);
    writer = await people.create("writer", ["writer"]);
    session = await people.logIn(writer);
    await people.logOut(await people.logIn(writer));
    anchor = await eventually(note, (text) => Number(text.split("\n")[1]) > 5, WITHIN_MS);
    before = await uidsOf(cluster, [...LASTING, `Tenant/${APP}`, "AuthPolicy/app"]);
  }, CLUSTER_STARTS_WITHIN_MS + 300_000);
  afterAll(async () => {
    await cluster?.stop();
  }, 180_000);

  test("begins without sidecars, on the schema of then", async () => {
    expect(await applied()).toEqual(["001", "002", "003", "004", "005", "006", "007"]);
    expect(Object.values(before)).not.toContain(undefined);
    expect(await put()).toBe(200);
    expect((await verified()).code).toBe(0);
  }, 90_000);

  test("is upgraded while users go on logging in", async () => {
    await earlier.removeCli();
    // The operator makes and renews it from now on.
    await kubectl("delete", "secret", "heauth-hub-tls");
    await unnoticed("upgrade", () => installHeauth(cluster, cluster.images));
    expect(await uidsOf(cluster, Object.keys(before))).toEqual(before);
    const { items } = await json("jobs");
    expect(items).toMatchObject([
      { metadata: { name: expect.stringMatching(/^heauth-migrate-0-2-0-/) }, status: { succeeded: 1 } },
    ]);
    const migrations = await readdir(join(ROOT, "store/migrations"));
    expect(await applied()).toEqual(migrations.map((name) => name.slice(0, 3)).sort());
    for (const name of ["tenants", "authpolicies"]) {
      const type = parse(await readFile(join(ROOT, `crds/heauth.io_${name}.yaml`), "utf8"));
      expect((await json("crd", `${name}.heauth.io`)).spec.versions).toMatchObject(type.spec.versions);
    }
  }, 300_000);

  test("has its data, and goes on with its sessions, passwords and ledger", async () => {
    await inApp("rollout", "restart", "deployment/app");
    await inApp("rollout", "status", "deployment/app", WITHIN);
    await inApp("wait", "authpolicy/app", "--for=condition=Enforced", WITHIN);
    const { status, body } = await people.post("/auth/refresh", { json: { refreshToken: session.refreshToken } });
    expect({ status, body }).toMatchObject({ status: 200, body: { accessToken: expect.any(String) } });
    expect(loginOf(body).session).toBe(session.session);
    expect([await put(), await put(body["accessToken"])]).toEqual([401, 200]);
    expect(await people.logIn(writer)).toMatchObject({ tenantId: session.tenantId, user: session.user });
    expect((await verified()).code).toBe(0);
    const sinceThen = ["ledger", "verify", `--tenant=${APP}`, "--keys=/etc/heauth/ledger-keys/ledger-keys.json"];
    expect(await heauth(cluster, [...sinceThen, "--against=/dev/stdin"], anchor)).toMatch(/^intact: .*from the anchor/);
  }, 240_000);

  test("is left alone by an upgrade that changes nothing", async () => {
    const own = async () =>
      (await json("pods")).items.map(({ metadata }: { metadata: { uid: string } }) => metadata.uid).sort();
    const [were, trusted] = [await own(), await caBundles()];
    expect(Object.keys(trusted).sort()).toEqual(["inject.heauth.io", "pods.heauth.io", "validate.heauth.io"]);
    expect(Object.values(trusted)).not.toContain(undefined);
    await installHeauth(cluster, cluster.images);
    expect(await own()).toEqual(were);
    expect(await caBundles()).toEqual(trusted);
  }, 120_000);

  test("is rolled back and upgraded again: earlier programs go on with the newer schema and the sidecars", async () => {
    const schema = await applied();
    const { accessToken } = await people.logIn(writer);
    await unnoticed("rollback", () => rollBackToEarlier(cluster), accessToken);
    expect(await applied()).toEqual(schema);
    const { accessToken: later } = await people.logIn(writer);
    expect(await until(200, () => put(later))).toBe(200);
    await unnoticed("second upgrade", () => installHeauth(cluster, cluster.images), later);
    expect(await applied()).toEqual(schema);
    expect(await uidsOf(cluster, Object.keys(before))).toEqual(before);
    expect((await verified()).code).toBe(0);
  }, 600_000);

  test("keeps everything that lasts when it is uninstalled; sidecars deny, and new pods come without", async () => {
    const kept = [...Object.keys(before), ...MADE_BY_OPERATOR];
    const had = await uidsOf(cluster, kept);
    expect(Object.values(had)).not.toContain(undefined);
    const patch = JSON.stringify({ spec: { authentication: SOON } });
    await inApp("patch", "authpolicy/app", "--type=merge", `--patch=${patch}`);
    await inApp("wait", "authpolicy/app", "--for=condition=Enforced", WITHIN);
    const { accessToken } = await people.logIn(writer);
    expect(await put(accessToken)).toBe(200);
    await helm("uninstall", "heauth", "--wait");
    expect(await uidsOf(cluster, kept)).toEqual(had);
    expect(await caBundles()).toEqual({});
    expect(await until(503, () => put(accessToken))).toBe(503);
    await inApp("scale", "deployment/app", "--replicas=2");
    await inApp("rollout", "status", "deployment/app", WITHIN);
    const [bare, injected] = await pods();
    expect([bare?.sidecars, injected?.sidecars]).toEqual([0, 3]);
    expect(await put(undefined, `http://${bare?.address}:8080`)).toBe(200);
  }, 300_000);

  test("goes on with all of it when it is installed again", async () => {
    await installHeauth(cluster, cluster.images);
    expect(await uidsOf(cluster, Object.keys(before))).toEqual(before);
    const named = "jsonpath={.status.conditions[?(@.type=='Enforced')].reason}=PodsNotInjected";
    await inApp("wait", "authpolicy/app", `--for=${named}`, WITHIN);
    // A pod that goes before it knows the hub again takes its journal's end along.
    const { accessToken } = await people.logIn(writer);
    const [, injected] = await pods();
    expect(await until(200, () => put(accessToken, `http://${injected?.address}:8080`))).toBe(200);
    await inApp("rollout", "restart", "deployment/app");
    await inApp("rollout", "status", "deployment/app", WITHIN);
    await inApp("wait", "authpolicy/app", "--for=condition=Enforced", WITHIN);
    expect(await pods()).toMatchObject([{ sidecars: 3 }, { sidecars: 3 }]);
    expect(await put((await people.logIn(writer)).accessToken)).toBe(200);
    const { code, stdout } = await verified();
    expect({ code, stdout }).toMatchObject({ code: 0 });
  }, 300_000);

  /** The app's pods that are not ending, and how many containers of heauth's each has; those with the fewest first. */
  async function pods(): Promise<readonly { address: string; sidecars: number }[]> {
    const { items } = JSON.parse(await inApp("get", "pods", "--selector=app=app", "--output=json"));
    return (items as AppPod[])
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ spec, status }) => ({ address: status.podIP, sidecars: spec.initContainers?.length ?? 0 }))
      .sort((a, b) => a.sidecars - b.sidecars);
  }
});
