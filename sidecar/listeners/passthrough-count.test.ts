import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { createLogs, createMetrics } from "@heauth/program";
import { createManualClock } from "@heauth/program/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createPassthroughCount } from "./passthrough-count.ts";

const deadline = AbortSignal.timeout(60_000);
let folder: string;
let envoy: Server;
/** What Envoy counts now; undefined: it does not answer as it should. */
let counts: Readonly<Record<string, unknown>> | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-count-"));
  counts = {};
  envoy = createServer((_request, response) => {
    const stats = Object.entries(counts ?? {}).map(([name, value]) => ({ name: `tcp.passthrough_${name}`, value }));
    response.writeHead(counts === undefined ? 500 : 200).end(JSON.stringify({ stats: [...stats, { histograms: {} }] }));
  });
  await once(envoy.listen(join(folder, "admin.sock")), "listening");
});
afterEach(async () => {
  envoy.closeAllConnections();
  envoy.close();
  await rm(folder, { recursive: true, force: true });
});

function counting(adminSocket = join(folder, "admin.sock")) {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const { log } = createLogs({ program: "test", level: "info", destination });
  const metrics = createMetrics();
  const clock = createManualClock();
  const count = createPassthroughCount({ adminSocket, metrics, clock, log, lookEveryMs: 3_600_000 });
  return { count, metrics, lines };
}

const of5432 = (connections: number, bytesIn: number, bytesOut: number) => ({
  "5432.downstream_cx_total": connections,
  "5432.downstream_cx_rx_bytes_total": bytesIn,
  "5432.downstream_cx_tx_bytes_total": bytesOut,
  "5432.downstream_cx_tx_bytes_buffered": 7,
});

/** Stopping looks a last time. */
test("the counts are Envoy's own, go on after it starts again, and are told", async () => {
  const { count, metrics, lines } = counting();
  counts = of5432(3, 10, 20);
  await count.stop(deadline);
  counts = of5432(1, 5, 2);
  await count.stop(deadline);
  const text = await metrics.text();
  expect(text).toContain('heauth_passthrough_connections_total{port="5432"} 4\n');
  expect(text).toContain('heauth_passthrough_bytes_total{port="5432",direction="in"} 15\n');
  expect(text).toContain('heauth_passthrough_bytes_total{port="5432",direction="out"} 22\n');
  expect(lines).toMatchObject([
    { port: "5432", connections: 3, bytesIn: 10, bytesOut: 20 },
    { port: "5432", connections: 1, bytesIn: 5, bytesOut: 2 },
  ]);
});

test("nothing new is not told again", async () => {
  const { count, lines } = counting();
  counts = of5432(3, 10, 20);
  await count.stop(deadline);
  await count.stop(deadline);
  expect(lines).toHaveLength(1);
});

test("an Envoy that is away, or answers nonsense, changes nothing", async () => {
  const { count, metrics, lines } = counting();
  counts = undefined;
  await count.stop(deadline);
  counts = { "5432.downstream_cx_total": "many" };
  await count.stop(deadline);
  await counting(join(folder, "nobody.sock")).count.stop(deadline);
  expect(await metrics.text()).not.toContain("heauth_passthrough_connections_total{");
  expect(lines).toEqual([]);
});
