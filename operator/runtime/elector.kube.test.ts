import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { type ClusterClient, LEASES, openCluster } from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Lease } from "./lease.ts";

const LEASE_MS = 3_000;
/** A fifth of two thirds. */
const RETRY_MS = 400;
/** For a busy machine to answer. */
const SLACK_MS = 1_500;

interface Said {
  readonly what: "started" | "leads" | "lost" | "tick" | "stopped";
  readonly leading: boolean;
  readonly atMs: number;
}

interface Candidate {
  readonly process: ChildProcess;
  readonly said: Said[];
  /** The next line, from now on, of which this holds. */
  next(holds: (said: Said) => boolean): Promise<Said>;
}

/** From when to when, each time that it led. */
function terms(said: readonly Said[]): { from: number; to: number }[] {
  const all: { from: number; to: number }[] = [];
  let was = false;
  for (const { leading, atMs } of said) {
    const current = all.at(-1);
    if (leading && was && current !== undefined) current.to = atMs;
    else if (leading) all.push({ from: atMs, to: atMs });
    was = leading;
  }
  return all;
}

describeKube("electors in two processes", () => {
  let server: ApiServer;
  let client: ClusterClient;
  let kubeconfig: string;
  let candidates: Candidate[] = [];

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    kubeconfig = await server.kubeconfig();
    ({ client } = await openCluster({ kubeconfig }));
  }, API_SERVER_STARTS_WITHIN_MS);

  afterAll(async () => {
    await server?.stop();
  });

  afterEach(async () => {
    for (const { process: child } of candidates) {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
    candidates = [];
    await client.remove(LEASES, { namespace: "default", name: "candidates" });
  });

  function candidate(identity: string): Candidate {
    const program = new URL("../testing/candidate.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, [program, kubeconfig, identity, String(LEASE_MS)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said: Said[] = [];
    const waiting = new Set<(line: Said) => void>();
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line: Said = JSON.parse(text);
      said.push(line);
      for (const tell of waiting) tell(line);
    });
    const one: Candidate = {
      process: child,
      said,
      next: (holds) => {
        const { promise, resolve } = Promise.withResolvers<Said>();
        const tell = (line: Said) => {
          if (!holds(line)) return;
          waiting.delete(tell);
          resolve(line);
        };
        waiting.add(tell);
        return promise;
      },
    };
    candidates.push(one);
    return one;
  }

  const leads = ({ what }: Said) => what === "leads";
  const lease = async () => await client.get<Lease>(LEASES, { namespace: "default", name: "candidates" });

  async function leaderAndOther(): Promise<[Candidate, Candidate]> {
    const leader = candidate("first");
    await leader.next(leads);
    const other = candidate("second");
    await other.next(({ what }) => what === "tick");
    return [leader, other];
  }

  test("a frozen leader is followed within the lease's time, and is none after it wakes", async () => {
    const [frozen, other] = await leaderAndOther();
    const taken = other.next(leads);
    const { renewTime = "" } = (await lease()).spec ?? {};
    const frozenAtMs = Date.now();
    frozen.process.kill("SIGSTOP");
    const { atMs } = await taken;
    // Since the record was last seen to change: at most one try after it changed, and until the next millisecond that it is free.
    expect(atMs - frozenAtMs).toBeLessThan(LEASE_MS + RETRY_MS + SLACK_MS);
    // The other one can't have seen that renewal, or a later one, before it was made; 50 ms are for clocks that are not the same.
    expect(atMs - Date.parse(renewTime)).toBeGreaterThan(LEASE_MS - 50);

    const before = frozen.said.length;
    const lost = frozen.next(({ what }) => what === "lost");
    frozen.process.kill("SIGCONT");
    await lost;
    const tick = frozen.next(({ what }) => what === "tick");
    await tick;
    // What it had written into the pipe before it froze may come only now.
    const woken = frozen.said.slice(before).filter((line) => line.atMs > atMs);
    expect(woken.length).toBeGreaterThan(1);
    expect(woken.every(({ leading }) => !leading)).toBe(true);
    expect((await lease()).spec).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
  }, 60_000);

  test("a leader that is ended gives the lease to the next one at once", async () => {
    const [leader, other] = await leaderAndOther();
    const taken = other.next(leads);
    const endedAtMs = Date.now();
    leader.process.kill("SIGTERM");
    await leader.next(({ what }) => what === "stopped");
    expect((await taken).atMs - endedAtMs).toBeLessThan(2 * RETRY_MS + SLACK_MS);
    expect(leader.said.map(({ what }) => what).filter((what) => what !== "tick")).toEqual(
      expect.arrayContaining(["started", "leads", "lost", "stopped"]),
    );
  }, 60_000);

  test("at most one leads at any time, though the API server is away and comes again", async () => {
    const [leader, other] = await leaderAndOther();
    const lost = leader.next(({ what }) => what === "lost");
    await server.stopServer();
    await lost;
    const again = Promise.race([leader.next(leads), other.next(leads)]);
    await server.startServer();
    await again;
    const { holderIdentity } = (await lease()).spec ?? {};
    expect(["first", "second"]).toContain(holderIdentity);
    const [first = [], second = []] = [leader, other].map(({ said }) => terms(said));
    expect(first.length).toBeGreaterThan(0);
    expect(first.filter((one) => second.some((its) => one.from <= its.to && its.from <= one.to))).toEqual([]);
  }, 60_000);
});
