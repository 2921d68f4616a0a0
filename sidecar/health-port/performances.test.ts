import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { checkOf, kubeletChecksText } from "./kubelet-checks.ts";
import { createPerformances, type Performances } from "./performances.ts";
import { type App, startApp } from "./testing/app.ts";

const at = { address: "127.0.0.1", healthPort: 15_020 };
let status: number;
let app: App;
let lines: Record<string, unknown>[];
let performances: Performances;

beforeEach(async () => {
  status = 200;
  lines = [];
  app = await startApp((_, response) => response.writeHead(status).end());
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  performances = createPerformances({ log: createLogs({ program: "test", level: "info", destination }).log });
});
afterEach(async () => {
  performances.end();
  await app.stop();
});

function asked(kind: string, address = at.address) {
  const recorded = { httpGet: { port: app.port }, timeoutSeconds: 60 };
  const checks = kubeletChecksText.parse(JSON.stringify({ [`app/${kind}`]: recorded }));
  const check = checkOf(checks, `app/${kind}`);
  if (check === undefined) throw new Error("no check");
  return performances.outcome(`app/${kind}`, check, { ...at, address });
}

test("whoever asks while a check is under way gets its outcome, whatever the check", async () => {
  for (const kind of ["readiness", "pre-stop"]) {
    app.seen.length = 0;
    await Promise.all(Array.from({ length: 50 }, () => asked(kind)));
    expect([kind, app.seen.length]).toEqual([kind, 1]);
  }
});

test("a probe's outcome serves those who come right after; a hook is done again", async () => {
  await asked("liveness");
  await asked("liveness");
  expect(app.seen).toHaveLength(1);
  await asked("post-start");
  await asked("post-start");
  expect(app.seen).toHaveLength(3);
});

test("another address of the pod's is another question", async () => {
  expect(await asked("readiness")).toBeUndefined();
  expect(await asked("readiness", "127.0.0.9")).toBe("ECONNREFUSED");
});

test("a line is written when the outcome is another than before, and not each time", async () => {
  for (const next of [200, 200, 500, 500, 404, 200, 200]) {
    status = next;
    const expected = next === 200 ? undefined : `status ${next}`;
    // An outcome serves for a moment, which a timer ends.
    while ((await asked("readiness")) !== expected) await new Promise(setImmediate);
    await asked("readiness");
  }
  expect(lines.map(({ level, check, reason }) => [level, check, reason])).toEqual([
    ["warn", "app/readiness", "status 500"],
    ["warn", "app/readiness", "status 404"],
    ["info", "app/readiness", undefined],
  ]);
});
