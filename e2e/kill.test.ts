// Promise 1, "No request without a record": whichever process is killed under load, each answer that told of a decision has its record.
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { runHeauth } from "../examples/clinic/tour/standalone.ts";
import { values } from "./envoy/recorder.ts";
import { eventually } from "./faults/eventually.ts";
import { type Load, type Outcome, startLoad, tally } from "./faults/load.ts";
import { audit, query } from "./faults/records.ts";
import { startedBy, stillRunning, theOne } from "./standalone/processes.ts";
import { type Rig, startRig } from "./standalone/rig.ts";

const CONNECTIONS = 32;

let rig: Rig;
let tokens: { doctor: string; nurse: string };
let load: Load | undefined;

beforeEach(async () => {
  rig = await startRig();
  const { people } = rig;
  const [doctor, nurse] = [
    await people.create({ login: "ada", roles: ["doctor"] }),
    await people.create({ login: "joy" }),
  ];
  tokens = { doctor: (await people.logIn(doctor)).accessToken, nurse: (await people.logIn(nurse)).accessToken };
}, 60_000);
afterEach(async () => {
  await load?.stop();
  await rig.stop();
}, 60_000);

/** Reads that are allowed, writes that are for doctors only, and every tenth request without a token. */
function begin(): Load {
  let count = 0;
  load = startLoad({
    url: rig.app(),
    connections: CONNECTIONS,
    next: () => {
      count += 1;
      if (count % 10 === 0) return { path: "/patients/1" };
      const token = count % 2 === 0 ? tokens.doctor : tokens.nurse;
      return { method: count % 5 === 0 ? "PUT" : "GET", path: `/patients/${count}`, token };
    },
  });
  return load;
}

const allowed = ({ status }: Outcome) => status === 200;

async function sidecarPid(): Promise<number> {
  const sidecar = await rig.sidecar();
  if (sidecar === undefined) throw new Error("no sidecar runs");
  return sidecar.pid;
}

/** How long it took from now on until a request that was sent later was allowed. */
async function untilBack(running: Load): Promise<number> {
  const from = performance.now();
  const { answeredAt } = await running.until((one) => allowed(one) && one.sentAt > from);
  return answeredAt - from;
}

/** Nothing answered is without its record, nothing is recorded twice, and nothing reached the app that was not let through. */
async function expectAllOnRecord(outcomes: readonly Outcome[]): Promise<void> {
  const url = await rig.databaseUrl();
  const { records, lost, doubled } = await audit(url, outcomes);
  expect(lost.slice(0, 5)).toEqual([]);
  expect(doubled.slice(0, 5)).toEqual([]);
  const reached = rig.upstream.seen.map((request) => values(request, "x-request-id")[0] ?? "");
  expect(reached.filter((id) => records.get(id)?.decision !== "Allow").slice(0, 5)).toEqual([]);
  for (const status of [200, 401, 403]) expect(outcomes.some((one) => one.status === status)).toBe(true);
}

async function expectIntact(): Promise<void> {
  const { code, output } = await runHeauth(["ledger", "verify", "--tenant", "acme", "--data", rig.data]);
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^intact/) });
}

/** How each of the sidecar's journals ended, in the order of their beginning; null: it goes on. */
async function expectJournals(...ends: (string | null)[]): Promise<void> {
  const found = await eventually(journalEnds, (now) => JSON.stringify(now) === JSON.stringify(ends));
  expect(found).toEqual(ends);
}

async function journalEnds(): Promise<(string | null)[]> {
  const rows = await query<{ reason: string | null }>(
    await rig.databaseUrl(),
    `SELECT max(reason) FILTER (WHERE type = 'journal.close') AS reason FROM heauth.audit_record
      WHERE source = 'sidecar' GROUP BY journal_id ORDER BY journal_id`,
  );
  return rows.map(({ reason }) => reason);
}

test("the sidecar killed, again and again", async () => {
  const running = begin();
  await running.until(allowed);
  const back: number[] = [];
  for (let kills = 0; kills < 3; kills++) {
    await pause(1_000);
    process.kill(await sidecarPid(), "SIGKILL");
    back.push(await untilBack(running));
  }
  const outcomes = await running.stop();
  console.log(`sidecar killed: back after ${back.map(Math.round)} ms, ${JSON.stringify(tally(outcomes))}`);

  await expectJournals("Recovered", "Recovered", "Recovered", null);
  await expectAllOnRecord(outcomes);
  // What could not be decided was denied, in the words of a service that is away.
  const others = outcomes.filter(({ status }) => ![200, 401, 403].includes(status));
  expect(
    others.filter(({ status, code, retryAfter }) => status !== 503 || code === "" || retryAfter === undefined),
  ).toEqual([]);
  await expectIntact();
}, 240_000);

test("Envoy killed: it comes back on the same address", async () => {
  const running = begin();
  await running.until(allowed);
  const before = theOne(await startedBy(rig.standalone().pid), "envoy", "-c");
  process.kill(before.pid, "SIGKILL");
  const back = await untilBack(running);
  await pause(500);
  const outcomes = await running.stop();
  console.log(`Envoy killed: back after ${Math.round(back)} ms, ${JSON.stringify(tally(outcomes))}`);
  expect(theOne(await startedBy(rig.standalone().pid), "envoy", "-c").pid).not.toBe(before.pid);
  await expectAllOnRecord(outcomes);
  await expectJournals(null);
  await expectIntact();
}, 180_000);

test("standalone itself killed, and started again at once: all that it had started is gone, and what was left is shipped", async () => {
  const running = begin();
  await running.until(allowed);
  await pause(1_000);
  const family = await startedBy(rig.standalone().pid);
  expect(family.length).toBeGreaterThan(3);
  process.kill(rig.standalone().pid, "SIGKILL");
  await rig.standalone().ended;
  await running.until(({ status }) => status === 0);
  const outcomes = await running.stop();

  const startedAt = performance.now();
  await rig.start();
  console.log(
    `started again after ${Math.round(performance.now() - startedAt)} ms, ${JSON.stringify(tally(outcomes))}`,
  );
  const left = await eventually(
    () => stillRunning(family),
    (those) => those.length === 0,
  );
  expect(left).toEqual([]);
  const again = begin();
  await again.until(allowed);
  const later = await again.stop();
  // The guards told the sidecar to stop, so that it still closed its journal, on the disk.
  await expectJournals("Stopped", null);
  await expectAllOnRecord([...outcomes, ...later]);
  await expectIntact();
}, 180_000);
