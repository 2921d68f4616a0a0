// `heauth hub` and `heauth sidecar` as processes, between a real API server and a real PostgreSQL: as in a cluster, without Envoy.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { newProgramKeyFile } from "@heauth/core/keys";
import { formatPinnedKeys } from "@heauth/core/ledger";
import { NAMESPACES, PODS, SERVICE_ACCOUNTS } from "@heauth/program/kubernetes";
import { loginUrl, type TestDatabase, testDatabase, testKeys } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freePort } from "heauth/parts";
import { eventually } from "../faults/eventually.ts";
import { type RunningProgram, startProgram } from "./hub/programs.ts";
import { type ClinicTenant, createClinicTenant } from "./hub/tenant.ts";
import { type ApiServer, type Authority, createAuthority, describeKube, startApiServer } from "./index.ts";
import { forbiddenCalls, grantedRights, usedRights } from "./testing/rights.ts";

const MAX_STALENESS_MS = 3_000;
const policy = { authentication: { audiences: ["clinic"], maxStaleness: "3s" } };

describeKube("hub and sidecar in a cluster", () => {
  const login = `hub_${randomBytes(4).toString("hex")}`;
  const agent = new Agent({ keepAlive: true });
  let [folder, hubPort, podUid] = ["", 0, ""];
  let api: ApiServer;
  let database: TestDatabase;
  let clinic: ClinicTenant;
  let authority: Authority;
  let hub: RunningProgram | undefined;
  let sidecar: RunningProgram | undefined;
  const file = (name: string) => join(folder, name);

  /** As the kubelet does: nobody ever sees half of it. */
  async function replace(name: string, content: string): Promise<void> {
    await writeFile(file(`${name}.new`), content);
    await rename(file(`${name}.new`), file(name));
  }
  async function replaceCertificate(by: Authority): Promise<void> {
    const { certificate, key } = await by.issue("hub");
    await replace("tls.key", key);
    await replace("tls.crt", certificate);
  }
  const token = () =>
    api.token(
      { namespace: "clinic", name: "web" },
      { audience: "heauth-hub", seconds: 600, boundPod: { name: "web-0", uid: podUid } },
    );

  async function startHub(): Promise<RunningProgram> {
    const kubeconfig = await api.kubeconfig({ serviceAccount: "heauth-hub", namespace: "heauth-system" });
    const flags = {
      kubeconfig,
      listen: `127.0.0.1:${hubPort}`,
      "program-key": file("hub.json"),
      "tls-cert": file("tls.crt"),
      "tls-key": file("tls.key"),
      goodbyes: "1s",
      config: file("hub.yaml"),
    };
    return startProgram("hub", flags);
  }

  /** What Envoy would be told, asked the way it asks. */
  async function ask(path = "/patients/1"): Promise<number> {
    const headers = { host: "clinic.test", authorization: `Bearer ${clinic.token}`, "x-request-id": "r" };
    const asked = request({ socketPath: file("ext-authz.sock"), agent, path: `/check${path}`, headers }).end();
    const [answer] = await once(asked, "response");
    answer.resume();
    await once(answer, "end");
    return answer.statusCode;
  }
  const isConnected = async () => (await sidecar?.metric("heauth_hub_connected")) === 1;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "heauth-hub-"));
    [api, database, authority, hubPort] = await Promise.all([
      startApiServer({ crds: false }),
      testDatabase(),
      createAuthority(),
      freePort(),
    ]);
    for (const name of ["heauth-system", "clinic"]) await api.client.create(NAMESPACES, { metadata: { name } });
    const rights = join(import.meta.dirname, "../../manifests/rbac/hub.yaml");
    expect((await api.kubectl(["apply", "-f", rights])).stderr).toBe("");
    await api.client.create(SERVICE_ACCOUNTS, { metadata: { name: "web", namespace: "clinic" } });
    const pod = await api.client.create(PODS, {
      metadata: { name: "web-0", namespace: "clinic", labels: { app: "clinic" } },
      spec: {
        serviceAccountName: "web",
        initContainers: [{ name: "heauth", image: "heauth/sidecar:1", restartPolicy: "Always" }],
        containers: [{ name: "app", image: "app" }],
      },
    } as Parameters<typeof api.client.create>[1]);
    podUid = pod.metadata.uid ?? "";
    await database.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'pw' NOINHERIT IN ROLE heauth_hub`);
    const keys = testKeys();
    clinic = await createClinicTenant(database, keys);
    await clinic.put(policy);
    await replace("hub.yaml", JSON.stringify({ database: loginUrl(database.url, login, "pw") }));
    await replace("hub.json", newProgramKeyFile("hub"));
    await replace("ledger-keys.json", formatPinnedKeys(keys.pinned));
    await replace("ca.crt", authority.certificate);
    await replaceCertificate(authority);
    await replace("token", await token());
    hub = await startHub();
    sidecar = await startProgram("sidecar", {
      hub: `https://localhost:${hubPort}`,
      "hub-ca": file("ca.crt"),
      "hub-token": file("token"),
      socket: file("ext-authz.sock"),
      wal: file("wal"),
      "wal-quota": "64",
      "identity-keys": file("ledger-keys.json"),
      "stop-within": "5s",
    });
  }, 120_000);
  afterAll(async () => {
    agent.destroy();
    await sidecar?.child.stop(AbortSignal.timeout(5_000));
    await hub?.child.stop(AbortSignal.timeout(5_000));
    await database?.superuser.query(`DROP OWNED BY ${login}; DROP ROLE ${login}`).catch(() => {});
    await database?.drop();
    await api?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test("a request is decided and recorded, with the pod that the hub knows", async () => {
    expect(await ask()).toBe(200);
    const records = await eventually(
      () => database.superuser.query("SELECT pod, path FROM audit_record WHERE type = 'decision'"),
      (rows) => rows.length > 0,
    );
    expect(records).toEqual([{ pod: "clinic/web-0", path: "/patients/1" }]);
    expect(
      await database.superuser.query("SELECT DISTINCT pod_uid FROM journal_head WHERE pod_uid IS NOT NULL"),
    ).toEqual([{ pod_uid: podUid }]);
  });

  test("a change of the policy arrives at once", async () => {
    await clinic.put({ ...policy, rules: [] });
    const begun = performance.now();
    expect(await eventually(ask, (status) => status === 403)).toBe(403);
    const took = performance.now() - begun;
    await clinic.put(policy);
    expect(await eventually(ask, (status) => status === 200)).toBe(200);
    console.log(`a policy's change was in force after ${took.toFixed(0)} ms`);
  });

  test("a token that is replaced is the one that the next calls bring", async () => {
    /** As calls bring a token that was not seen before: records make the sidecar call. */
    const reviews = async (outcome: string) => {
      await ask();
      return (await hub?.metric(`heauth_token_reviews_total{outcome="${outcome}"}`)) ?? Number.NaN;
    };
    const [head, claims] = (await token()).split(".");
    await replace("token", `${head}.${claims}.${randomBytes(64).toString("base64url")}`);
    expect(
      await eventually(
        () => reviews("refused"),
        (count) => count > 0,
      ),
    ).toBeGreaterThan(0);
    const before = await reviews("accepted");
    await replace("token", await token());
    expect(
      await eventually(
        () => reviews("accepted"),
        (count) => count > before,
        20_000,
      ),
    ).toBeGreaterThan(before);
    expect(await isConnected()).toBe(true);
  }, 60_000);

  test("certificate and authority are replaced under the running programs; a hub that starts again finds its sidecar", async () => {
    const next = await createAuthority();
    await replace("ca.crt", next.certificate);
    await replaceCertificate(next);
    const shown = () =>
      new Promise<boolean>((resolve) => {
        const socket = connectTls({ host: "127.0.0.1", port: hubPort, servername: "localhost", ca: next.certificate });
        socket.once("secureConnect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("secureConnect", () => socket.destroy());
      });
    expect(await eventually(shown, (is) => is, 15_000)).toBe(true);
    expect([await ask(), await isConnected()]).toEqual([200, true]);

    const bytes = await hub?.memory();
    expect(await hub?.child.stop(AbortSignal.timeout(10_000))).toBeUndefined();
    expect(await eventually(isConnected, (is) => !is, 30_000)).toBe(false);
    hub = await startHub();
    expect(await eventually(isConnected, (is) => is, 30_000)).toBe(true);
    expect(await ask()).toBe(200);
    console.log(`the hub's memory: ${((bytes ?? 0) / 2 ** 20).toFixed(0)} MiB`);
  }, 120_000);

  test("when the pod is gone, its stream ends, and the sidecar denies after maxStaleness and goes on trying", async () => {
    await api.client.remove(PODS, { namespace: "clinic", name: "web-0" });
    const outcomes: { status: number; at: number }[] = [];
    expect(await eventually(isConnected, (is) => !is, 40_000)).toBe(false);
    const endedAt = performance.now();
    const denied = async () => {
      outcomes.push({ at: performance.now() - endedAt, status: await ask() });
      return outcomes.at(-1)?.status;
    };
    // What Envoy turns into 503.
    expect(await eventually(denied, (status) => status === 477, 10_000)).toBe(477);
    const lastAllowed = outcomes.filter(({ status }) => status === 200).at(-1)?.at ?? 0;
    expect(lastAllowed).toBeLessThanOrEqual(MAX_STALENESS_MS);
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([200, 477]));
    expect(await ask("/nothing")).toBe(477);
    expect(sidecar?.log.some((line) => line.includes("the hub does not take this pod for one of its own"))).toBe(true);
    expect(await sidecar?.metric("heauth_process_resident_bytes")).toBeGreaterThan(0);
  }, 60_000);

  test("the hub was refused nothing by the API server, and has no right that it did not use", async () => {
    const name = "system:serviceaccount:heauth-system:heauth-hub";
    const calls = (await api.audit()).filter(({ user }) => user.username === name);
    expect(forbiddenCalls(calls)).toEqual([]);
    expect(usedRights(calls)).toEqual(await grantedRights(api, "heauth-hub", "heauth-system"));
  });
});
