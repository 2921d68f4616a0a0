// A pod goes, with a real Envoy and a real hub: who is served is served to the end, and nothing is only on the disk that goes with the pod.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { formatPinnedKeys } from "@heauth/core/ledger";
import type { Part } from "@heauth/program";
import { drainSidecar } from "@heauth/sidecar/drain";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { ask, startLoad, tally } from "../../e2e/faults/load.ts";
import { callerOfWeb, type TestHubParts, testHub, web } from "../../hub/testing.ts";
import { compiledPolicy } from "../../sidecar/testing/policy.ts";
import { heauth } from "../testing/heauth.ts";
import { Pod } from "./testing/pod.ts";

const LIMIT_MS = 120_000;

let parts: TestHubParts;
let hub: Part;
let pod: Pod;

beforeAll(async () => {
  parts = await testHub([callerOfWeb]);
  const tenantId = await parts.tenant("acme");
  const everybody = {
    name: "all",
    match: [{ path: { type: "PathPrefix" as const, value: "/" } }],
    access: "Public" as const,
  };
  const { bytes } = compiledPolicy({ tenantId, spec: { rules: [everybody], audit: { publicRequests: "Record" } } });
  await parts.put(tenantId, web, Buffer.from(bytes).toString());
}, LIMIT_MS);
afterAll(() => parts?.stop(), LIMIT_MS);

beforeEach(async () => {
  hub = await parts.start();
}, LIMIT_MS);
afterEach(() => pod?.stop(), LIMIT_MS);

/** With a sidecar that takes this long at most to end. */
async function startPod(stopWithin: string): Promise<void> {
  const socket = parts.socketOf(callerOfWeb);
  pod = await Pod.start({ hub: `unix:${socket}`, keys: formatPinnedKeys(parts.keys.pinned), stopWithin });
}
const drain = (...more: string[]) => heauth(["drain", "--pod-envoy", pod.podEnvoy, ...more]);
const once200 = () => ask(undefined, pod.url, { path: "/" });
const kill = async () => {
  const { process, ended } = pod.sidecar;
  process.kill("SIGKILL");
  return (await ended).log;
};

/** Ids of those requests that the hub has committed by now. */
async function recorded(ids: readonly string[]): Promise<string[]> {
  const rows = await parts.superuser.query<{ id: string }>(
    "SELECT request_id AS id FROM audit_record WHERE request_id = ANY($1)",
    [ids],
  );
  return rows.map(({ id }) => id);
}

test(
  "under load no request is lost: clients are told to go, new ones are served, idle ones are closed, and all is on record",
  async () => {
    await startPod("30s");
    const load = startLoad({ url: pod.url, connections: 16, next: () => ({ path: "/" }) });
    const idle = connect(pod.port, "127.0.0.1", () => idle.write("GET / HTTP/1.1\r\nhost: app\r\n\r\n"));
    const [answer] = (await once(idle, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
    const closed = once(idle.resume(), "close");
    const goaway = once(connectHttp2(pod.url), "goaway");
    await load.until(({ status }) => status === 200);

    const draining = drain("--within", "60", "--json");
    for (let isTold = false; !isTold; ) {
      const { status, connection } = await newConnection();
      expect(status).toBe(200);
      isTold = connection === "close";
    }
    const before = performance.now();
    await load.until(({ sentAt, status }) => sentAt > before && status === 200);
    const outcomes = await load.stop();
    await Promise.all([closed, goaway]);
    const { code, stdout } = await draining;
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, drained: true, waitsFor: [] });
    expect(Object.keys(tally(outcomes))).toEqual(["200"]);
    console.log(`drained under load: ${outcomes.length} requests, all answered`);

    // As Kubernetes ends the sidecar then: with its journal closed.
    const { process, ended } = pod.sidecar;
    process.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0 });
    const ids = outcomes.map(({ id }) => id);
    expect((await recorded(ids)).toSorted()).toEqual(ids.toSorted());
    const ends = `SELECT reason FROM audit_record WHERE type = 'journal.close'
      AND journal_id = (SELECT journal_id FROM audit_record WHERE request_id = $1)`;
    expect(await parts.superuser.query(ends, ids.slice(0, 1))).toEqual([{ reason: "Stopped" }]);
  },
  LIMIT_MS,
);

test(
  "what is allowed meanwhile is at the hub, not only on the disk; a sidecar that starts again goes on like that",
  async () => {
    await startPod("30s");
    await drainSidecar(pod.podEnvoy, AbortSignal.timeout(LIMIT_MS));
    for (let sidecars = 0; ; ) {
      const answers = await Promise.all(Array.from({ length: 8 }, once200));
      const log = await kill();
      await rm(pod.wal, { recursive: true });
      expect(tally(answers)).toEqual({ 200: 8 });
      // A hub that takes longer than a second is as good as away, which a sidecar tells: the disk does then.
      if (!log.includes("the hub commits nothing")) {
        const ids = answers.map(({ id }) => id);
        expect((await recorded(ids)).toSorted()).toEqual(ids.toSorted());
        sidecars += 1;
      }
      if (sidecars === 2) break;
      pod.startSidecar();
      await pod.untilAllowed();
    }
  },
  LIMIT_MS,
);

test(
  "without the hub the app is still served, and drain ends when its time is over and says why; so does the sidecar",
  async () => {
    await startPod("5s");
    await hub.stop(AbortSignal.abort());
    await drainSidecar(pod.podEnvoy, AbortSignal.timeout(LIMIT_MS));
    expect(tally(await Promise.all(Array.from({ length: 4 }, once200)))).toEqual({ 200: 4 });
    expect(await drain("--within", "1")).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /not drained after .* s, still waiting for [4-6] × record that the hub has not committed\n$/,
      ),
    });
    const { process, ended } = pod.sidecar;
    process.kill("SIGTERM");
    const { code, log } = await ended;
    expect(code).toBe(1);
    expect(log).toMatch(/[5-7] records and 0 ended journals did not reach the hub, and go with the pod's disk/);
  },
  LIMIT_MS,
);

async function newConnection(): Promise<{ status: number | undefined; connection: string | undefined }> {
  const agent = new Agent({ keepAlive: true });
  const asking = request(pod.url, { agent, headers: { "x-request-id": randomUUID() } }).end();
  const [{ statusCode: status, headers }] = (await once(asking, "response")) as [import("node:http").IncomingMessage];
  agent.destroy();
  return { status, connection: headers.connection };
}
