import { createPrivateKey, randomBytes, sign } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, createLogs, createMetrics, type Metrics, pause, systemClock } from "@heauth/program";
import {
  type ClusterClient,
  isClusterError,
  type KubeObject,
  NAMESPACES,
  openCluster,
  PODS,
  type ResourceType,
  SERVICE_ACCOUNTS,
} from "@heauth/program/kubernetes";
import { connect, Hub, type HubClient } from "@heauth/protocol";
import { type Database, type PolicyName, putPolicy } from "@heauth/store";
import { insertTenant, type TestDatabase, type TestKeys, testDatabase, testKeys } from "@heauth/store/testing";
import { createHub, type HubLimits, type RunningHub } from "../hub.ts";
import { noRecords, TestStream } from "../testing.ts";
import { type CallerLimits, callersOfCluster, HUB_AUDIENCE } from "./callers.ts";

/** The API server, as far as it is needed here. */
export interface TestCluster {
  readonly folder: string;
  readonly client: ClusterClient;
  kubeconfig(user: { serviceAccount: string; namespace: string }): Promise<string>;
  kubectl(args: readonly string[], input?: string): Promise<{ stderr: string; code: number | null }>;
  token(
    serviceAccount: { namespace: string; name: string },
    wish: { audience: string; boundPod: { name: string; uid: string } },
  ): Promise<string>;
}

/** PEM texts: what the hub shows, and who vouches for it. */
export interface TestTls {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** A pod as it was created. */
export interface TestPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
}

export interface PodWish {
  readonly namespace?: string;
  readonly name?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly injected?: boolean;
  /** On a node, a deleted pod stays until its kubelet says that it has ended. */
  readonly node?: string;
}

const RIGHTS = join(import.meta.dirname, "../../manifests/rbac/hub.yaml");

/** A hub on a real API server, known there as `heauth hub` is, and a database of its own. */
export interface ClusterHub {
  readonly keys: TestKeys;
  readonly hubDatabase: Database;
  readonly superuser: TestDatabase["superuser"];
  readonly metrics: () => Promise<string>;
  /** Moves the hub's clock. */
  advance(ms: number): void;
  /** When the hub has tried so often more to look at a pod, and got no answer. */
  looksInVain(times: number): Promise<void>;
  /** Starts the hub, anew. */
  start(limits?: Partial<HubLimits>, callers?: Partial<CallerLimits>): Promise<RunningHub>;
  tenant(name: string): Promise<string>;
  put(tenantId: string, policy: PolicyName, more?: { app?: string; text?: string }): Promise<void>;
  operator: Database;
  pod(wish?: PodWish): Promise<TestPod>;
  remove(pod: TestPod): Promise<void>;
  token(pod: TestPod, audience?: string): Promise<string>;
  /** A token of the API server's own key, or of somebody else's, that says what a good one says. */
  forge(token: string, claims?: Record<string, unknown>, key?: "ours" | "theirs"): Promise<string>;
  client(token: string | undefined): HubClient;
  /** Says Hello. */
  stream(token: string): TestStream;
  stop(): Promise<void>;
}

export async function startClusterHub(api: TestCluster, { authority, certificate, key }: TestTls): Promise<ClusterHub> {
  const database = await testDatabase();
  const keys = testKeys();
  const identity = { certificate: Buffer.from(certificate), privateKey: Buffer.from(key) };
  const [hubDatabase, operator] = [await database.database("heauth_hub"), await database.database("heauth_operator")];
  const clients: HubClient[] = [];
  let metrics: Metrics = createMetrics();
  let hub: RunningHub | undefined;
  let aheadMs = 0;
  const clock: Clock = {
    wallMs: () => systemClock.wallMs() + aheadMs,
    wallMicros: () => systemClock.wallMicros() + aheadMs * 1000,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
  };
  await ensure(api.client, NAMESPACES, { metadata: { name: "heauth-system" } });
  const { code, stderr } = await api.kubectl(["apply", "-f", RIGHTS]);
  if (code !== 0) throw new Error(stderr);
  const kubeconfig = await api.kubeconfig({ serviceAccount: "heauth-hub", namespace: "heauth-system" });
  const { client } = await openCluster({ kubeconfig });
  const looks = new EventEmitter();
  const cluster: ClusterClient = {
    ...client,
    get: (...question) =>
      client.get<never>(...question).catch((error: unknown) => {
        looks.emit("in vain");
        throw error;
      }),
  };

  const it: ClusterHub = {
    keys,
    hubDatabase,
    operator,
    superuser: database.superuser,
    metrics: () => metrics.text(),
    advance(ms) {
      aheadMs += ms;
    },
    async looksInVain(times) {
      for (let count = 0; count < times; count++) await once(looks, "in vain");
    },
    async start(limits = {}, callerLimits = {}) {
      await hub?.stop(AbortSignal.abort());
      aheadMs = 0;
      metrics = createMetrics();
      const { log } = createLogs({ program: "hub", level: "silent" });
      const callers = callersOfCluster({ client: cluster, clock, log, metrics, limits: callerLimits });
      const changing = { current: () => identity, subscribe: () => () => {} };
      const doors = [{ listen: { host: "127.0.0.1", port: 0 }, identity: changing, callers }];
      hub = createHub({ database: hubDatabase, programKey: keys.hub, doors, clock, log, metrics, limits });
      await hub.start();
      // Nobody is sent to it before.
      while (hub.notReady() !== undefined) await pause(5);
      return hub;
    },
    tenant: (name) => insertTenant(database.superuser, name),
    async put(tenantId, policy, { app = policy.name, text = "{}" } = {}) {
      const selector = { matchLabels: { app } };
      const stored = { ...policy, tenantId, digest: `sha256:${text}`, compiled: Buffer.from(text), selector };
      await operator.transaction((tx) => putPolicy(tx, noRecords, { ...stored, createdAtMs: 0 }));
    },
    async pod(wish = {}) {
      const { namespace = "shop", name = `pod-${randomBytes(4).toString("hex")}`, serviceAccount = "web" } = wish;
      await ensureAccount(api.client, namespace, serviceAccount);
      const created = await api.client.create(PODS, podOf({ ...wish, namespace, name, serviceAccount }));
      return { namespace, name, serviceAccount, uid: created.metadata.uid ?? "" };
    },
    remove: ({ namespace, name }) => api.client.remove(PODS, { namespace, name }),
    token: ({ namespace, serviceAccount, name, uid }, audience = HUB_AUDIENCE) =>
      api.token({ namespace, name: serviceAccount }, { audience, boundPod: { name, uid } }),
    async forge(token, claims = {}, whose = "ours") {
      const [head = "", payload = ""] = token.split(".");
      const said = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...claims };
      const signed = `${head}.${Buffer.from(JSON.stringify(said)).toString("base64url")}`;
      const pem = whose === "ours" ? await readFile(join(api.folder, "keys/accounts.key"), "utf8") : key;
      const signature = sign("sha256", Buffer.from(signed), {
        key: createPrivateKey(pem),
        dsaEncoding: "ieee-p1363",
      });
      return `${signed}.${signature.toString("base64url")}`;
    },
    client(token) {
      const client = connect(Hub, {
        target: `dns:localhost:${hub?.ports[0]}`,
        authorities: { current: () => Buffer.from(authority), subscribe: () => () => {} },
        headers: () => (token === undefined ? {} : { authorization: `Bearer ${token}` }),
        maxMessageBytes: 8 << 20,
        maxReconnectMs: 100,
      });
      clients.push(client);
      return client;
    },
    stream: (token) => new TestStream(it.client(token)).hello(),
    async stop() {
      for (const client of clients) client.close();
      await hub?.stop(AbortSignal.abort());
      await database.drop();
    },
  };
  return it;
}

/** Creates it unless it is there. */
async function ensure(client: ClusterClient, type: ResourceType, object: KubeObject): Promise<void> {
  await client.create(type, object).catch((error: unknown) => {
    if (!isClusterError(error, "AlreadyExists")) throw error;
  });
}

async function ensureAccount(client: ClusterClient, namespace: string, name: string): Promise<void> {
  await ensure(client, NAMESPACES, { metadata: { name: namespace } });
  await ensure(client, SERVICE_ACCOUNTS, { metadata: { namespace, name } });
}

function podOf(wish: PodWish & { namespace: string; name: string }): KubeObject {
  const { namespace, name, serviceAccount, labels = { app: "web" }, injected = true, node } = wish;
  const sidecar = { name: "heauth", image: "heauth/sidecar:test", restartPolicy: "Always" };
  const spec = {
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    initContainers: injected ? [sidecar] : [],
    containers: [{ name: "app", image: "app" }],
    ...(node === undefined ? {} : { nodeName: node }),
  };
  return { metadata: { namespace, name, labels: { ...labels } }, spec } as KubeObject;
}
