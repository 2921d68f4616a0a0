import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs, createMetrics, type Metrics, type Part, pause, systemClock } from "@heauth/program";
import {
  type CallError,
  connect,
  fromStatus,
  Hub,
  type HubClient,
  type SyncClientStream,
  type SyncRequestInit,
  type SyncResponse,
} from "@heauth/protocol";
import { type Database, emit, type PolicyName, putPolicy, type Recorder, revokeSessions } from "@heauth/store";
import {
  insertSession,
  insertTenant,
  type TestDatabase,
  type TestKeys,
  testDatabase,
  testKeys,
} from "@heauth/store/testing";
import { callerOfSocket } from "./callers.ts";
import type { SocketDoor } from "./doors.ts";
import { createHub, type HubLimits, type RunningHub } from "./hub.ts";

/** Records are not what these tests are about. */
export const noRecords: Recorder = { append: async () => [] };

type Message = SyncResponse["message"];
type Case = NonNullable<Message["case"]>;
type Value<C extends Case> = Extract<Message, { case: C }>["value"];

/** A sidecar's end of a stream. */
export class TestStream {
  readonly messages: Message[] = [];
  readonly stream: SyncClientStream;
  readonly ended: Promise<CallError | undefined>;
  #seen = 0;
  #news = Promise.withResolvers<void>();

  constructor(client: HubClient) {
    this.stream = client.open("sync");
    const { promise, resolve } = Promise.withResolvers<CallError | undefined>();
    this.ended = promise;
    this.stream.on("data", (response: SyncResponse) => {
      this.messages.push(response.message);
      this.#wake();
    });
    this.stream.on("error", (error) => {
      resolve(fromStatus(error));
      this.#wake();
    });
    this.stream.on("end", () => {
      resolve(undefined);
      this.#wake();
    });
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  send(message: NonNullable<SyncRequestInit["message"]>): this {
    this.stream.write({ message });
    return this;
  }

  hello(hello: Extract<NonNullable<SyncRequestInit["message"]>, { case: "hello" }>["value"] = {}): this {
    return this.send({ case: "hello", value: { protocol: 1, version: "test", ...hello } });
  }

  /** The next message of the kind; those before it are passed over. */
  async next<C extends Case>(kind: C): Promise<Value<C>> {
    for (;;) {
      const message = this.messages[this.#seen];
      if (message === undefined) {
        const over = await Promise.race([this.#news.promise.then(() => false), this.ended.then(() => true)]);
        if (over && this.messages[this.#seen] === undefined) throw new Error(`the stream ended before a ${kind}`);
        continue;
      }
      this.#seen += 1;
      if (message.case === kind) return message.value as Value<C>;
    }
  }

  #nonce = 0n;
  /** Asks, and waits for the answer. @returns its age in ms */
  async probe(watermarks: { tenant: string; journal: string; outboxSeq: bigint }[] = []): Promise<number> {
    this.#nonce += 1n;
    const nonce = this.#nonce;
    this.send({ case: "probe", value: { nonce, watermarks } });
    for (;;) {
      const answer = await this.next("probeAnswer");
      if (answer.nonce === nonce) return Number(answer.ageUs) / 1000;
    }
  }
}

/** Who calls by a door of the test's hub, and the policy he is served. */
export interface TestCaller extends PolicyName {
  readonly pod: string;
  /** As of a pod of Kubernetes'. */
  readonly uid?: string;
}

export interface TestHubParts {
  readonly keys: TestKeys;
  readonly superuser: TestDatabase["superuser"];
  readonly hubDatabase: Database;
  readonly operator: Database;
  readonly metrics: Metrics;
  /** Starts the hub anew, on the same sockets, and waits until it is ready. */
  start(limits?: Partial<HubLimits>, goodbyesMs?: number): Promise<Part>;
  /** Starts it, and waits for nothing: the store may be away. */
  begin(limits?: Partial<HubLimits>, goodbyesMs?: number): Promise<RunningHub>;
  socketOf(caller: TestCaller): string;
  client(caller: TestCaller): HubClient;
  stream(caller: TestCaller): TestStream;
  tenant(name: string): Promise<string>;
  put(tenantId: string, policy: PolicyName, text?: string): Promise<string>;
  session(tenantId: string): Promise<string>;
  revoke(tenantId: string, session: string): Promise<void>;
  emit(tenantId: string): Promise<number>;
  stop(): Promise<void>;
}

export const web: PolicyName = { namespace: "shop", name: "web" };
export const api: PolicyName = { namespace: "shop", name: "api" };
export const callerOfWeb: TestCaller = { ...web, pod: "web-0" };
export const callerOfApi: TestCaller = { ...api, pod: "api-0" };

/** A hub on a database of its own, with a door for each caller. End it with `stop`. */
export async function testHub(
  callers: readonly TestCaller[] = [callerOfWeb, callerOfApi],
  database?: Pick<TestDatabase, "database" | "superuser" | "drop">,
): Promise<TestHubParts> {
  const db = database ?? (await testDatabase());
  const keys = testKeys();
  const folder = mkdtempSync(join(tmpdir(), "heauth-hub-"));
  const [hubDatabase, operator] = [await db.database("heauth_hub"), await db.database("heauth_operator")];
  const { superuser } = db;
  const metrics = createMetrics();
  const { log } = createLogs({ program: "hub", level: "silent" });
  const clients: HubClient[] = [];
  let hub: RunningHub | undefined;

  const socketOf = ({ pod, uid }: TestCaller) => join(folder, "run", `${pod}${uid ?? ""}.sock`);
  const doorOf = (caller: TestCaller): SocketDoor => {
    const { namespace, pod, name: policy, uid } = caller;
    const { resolve } = callerOfSocket({ namespace, pod, policy });
    return { socket: socketOf(caller), callers: { resolve: async () => ({ ...(await resolve()), uid }) } };
  };
  const parts: TestHubParts = {
    keys,
    superuser,
    hubDatabase,
    operator,
    metrics,
    socketOf,
    async start(limits = {}, goodbyesMs = 0) {
      const running = await parts.begin(limits, goodbyesMs);
      // Nobody is sent to it before.
      while (running.notReady() !== undefined) await pause(5);
      return running;
    },
    async begin(limits = {}, goodbyesMs = 0) {
      await hub?.stop(AbortSignal.abort());
      const [programKey, doors] = [keys.hub, callers.map(doorOf)];
      const parts = { database: hubDatabase, programKey, doors, clock: systemClock, log, metrics };
      hub = createHub({ ...parts, limits, goodbyesMs });
      await hub.start();
      return hub;
    },
    client(caller) {
      const client = connect(Hub, {
        target: `unix:${socketOf(caller)}`,
        maxMessageBytes: 8 << 20,
        maxReconnectMs: 100,
      });
      clients.push(client);
      return client;
    },
    stream: (caller) => new TestStream(parts.client(caller)),
    tenant: (name) => insertTenant(superuser, name),
    async put(tenantId, policy, text = "{}") {
      const compiled = Buffer.from(text);
      const digest = `sha256:${createHash("sha256").update(compiled).digest("hex")}`;
      const selector = { matchLabels: { app: policy.name } };
      const stored = { ...policy, tenantId, digest, compiled, selector, createdAtMs: 0 };
      await operator.transaction((tx) => putPolicy(tx, noRecords, stored));
      return digest;
    },
    session: async (tenantId) => (await insertSession(superuser, keys, tenantId)).id,
    async revoke(tenantId, session) {
      await operator.tenantTransaction(tenantId, (tx) =>
        revokeSessions(tx, noRecords, { tenantId, sessionIds: [session], reason: "Revoked" }),
      );
    },
    emit: (tenantId) => operator.tenantTransaction(tenantId, (tx) => emit(tx, tenantId, { kind: "tenant.changed" })),
    async stop() {
      for (const client of clients) client.close();
      await hub?.stop(AbortSignal.abort());
      await db.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return parts;
}

/** Asks until the answer fits; the test's own timeout is the limit. */
export async function eventually<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** When the stream is vouched for by a read that began no longer ago than that. */
export async function youngProbe(stream: TestStream, ms: number): Promise<void> {
  await eventually(
    () => stream.probe(),
    (age) => age <= ms,
  );
}
