/**
 * The ladder: what each rung of accounting costs, as a ratio to an authoriser that does nothing, all in one run on one machine.
 * Rounds alternate between the rungs, so that a noisy moment does not fall on one of them.
 *
 *   npm run bench            3 rounds of 4 s for each rung
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { createEnvoyProxy, findEnvoy } from "heauth/parts";
import { load, type Measured } from "./load.ts";
import { startProtected } from "./protected.ts";
import { startUpstream } from "./upstream.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const SECONDS = Number(process.env["SECONDS"] ?? 4);
const CONNECTIONS = [32, 128];

const folder = await mkdtemp(join(tmpdir(), "heauth-bench-"));
const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
try {
  const upstream = await startUpstream(findEnvoy(), folder);
  ends.push(() => upstream.stop());
  const nothing = await startDoNothing(upstream.url);
  const heauth = await startProtected(folder, upstream.url);
  ends.push(() => heauth.stop());
  const rungs = new Map([["do-nothing authoriser", nothing], ...heauth.urls]);

  for (const connections of CONNECTIONS) {
    const measured = new Map<string, Measured[]>([...rungs.keys()].map((name) => [name, []]));
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, url] of rungs) {
        const one = await load(url, heauth.token, connections, round === 0 ? 1 : SECONDS);
        if (round > 0) measured.get(name)?.push(one); // the first one only warms up
      }
    }
    print(connections, measured);
  }
} finally {
  for (const end of ends.reverse()) await end();
}

async function startDoNothing(upstream: URL): Promise<string> {
  const socket = join(folder, "do-nothing.sock");
  const child = spawn(process.execPath, [join(import.meta.dirname, "do-nothing.ts"), socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const envoy = createEnvoyProxy({
    name: "do-nothing",
    binary: findEnvoy(),
    runFolder: join(folder, "do-nothing"),
    log: createLogs({ program: "bench", level: "silent" }).log,
    listen: { host: "127.0.0.1", port: 0 },
    upstream,
    sidecarSocket: socket,
    authorizerTimeoutMs: 5000,
  });
  await envoy.start();
  ends.push(async () => {
    await envoy.stop(AbortSignal.timeout(5000));
    child.kill("SIGKILL");
  });
  return envoy.url();
}

function print(connections: number, measured: ReadonlyMap<string, readonly Measured[]>): void {
  console.log(`\n${connections} connections, ${ROUNDS} × ${SECONDS} s, ${cpus().length} cores`);
  console.log("| rung | requests/s | ratio | p99 ms | refused |\n| --- | --- | --- | --- | --- |");
  let base = Number.NaN;
  for (const [name, runs] of measured) {
    const rate = median(runs.map(({ requestsPerSecond }) => requestsPerSecond));
    if (Number.isNaN(base)) base = rate;
    const p99 = median(runs.map((run) => run.p99));
    const refused = runs.reduce((sum, run) => sum + run.refused, 0);
    console.log(`| ${name} | ${Math.round(rate)} | ${(rate / base).toFixed(2)} | ${p99.toFixed(1)} | ${refused} |`);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
