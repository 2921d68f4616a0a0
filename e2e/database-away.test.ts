// What a PostgreSQL that is away costs, and what it does not: promises 1 and 2 under load, with a patient and an impatient policy.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { EmbeddedPostgres } from "@heauth/store/embedded";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freePort } from "heauth/parts";
import { runHeauth } from "../examples/clinic/tour/standalone.ts";
import { eventually } from "./faults/eventually.ts";
import { goOn, hang } from "./faults/hanging.ts";
import { ask, type Load, type Outcome, startLoad, tally } from "./faults/load.ts";
import { audit, query } from "./faults/records.ts";
import type { Account } from "./standalone/people.ts";
import { type Rig, startRig } from "./standalone/rig.ts";

const PATIENT = "clinic/patient"; // maxStaleness 30s
const IMPATIENT = "clinic/impatient"; // maxStaleness 5s
const IMPATIENT_MS = 5_000;
/** The horizon lags behind by a read of the outbox and a probe; on two busy cores by this at most. */
const LAG_MS = 1_500;
const SESSIONS = 8;
/** Against hanging only: how soon all is well again on a machine with nothing else to do is printed. */
const BACK_WITHIN_MS = 30_000;

let folder: string;
let postgres: EmbeddedPostgres;
let database: string;
let rig: Rig;
let nurse: Account;
const loads: Load[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-own-pg-"));
  const port = await freePort();
  postgres = new EmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    passwordFile: join(folder, "password"),
    settings: { listen_addresses: "127.0.0.1", port: String(port) },
  });
  await postgres.start();
  const [, password = ""] = /:([^:@]+)@/.exec(postgres.url()) ?? [];
  const url = (name: string) => `postgresql://heauth:${password}@127.0.0.1:${port}/${name}`;
  await query(url("postgres"), "CREATE DATABASE heauth");
  database = url("heauth");
  const policy = (maxStaleness: string) => ({ authentication: { audiences: ["clinic"], maxStaleness } });
  rig = await startRig({
    policies: { [PATIENT]: policy("30s"), [IMPATIENT]: policy("5s") },
    flags: ["--database", database],
  });
  nurse = await rig.people.create({ login: "joy" });
}, 60_000);
afterAll(async () => {
  for (const load of loads) await load.stop();
  await rig?.stop();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** What came of an outage. */
interface Course {
  readonly patient: readonly Outcome[];
  readonly impatient: readonly Outcome[];
  /** When it began to go, from when and until when it was away for certain, and when all was well again, by `performance.now()`. */
  readonly goingAt: number;
  readonly downAt: number;
  readonly untilAt: number;
  readonly wellAt: number;
}

/** Known sessions ask both apps all the time, while the database goes away, `meanwhile` happens, and it comes back. */
async function outage(
  { away, back }: { away(): Promise<void>; back(): Promise<void> },
  ms: number,
  meanwhile: (unknown: string) => Promise<unknown>,
): Promise<Course> {
  const tokens: string[] = [];
  for (let count = 0; count < SESSIONS; count++) tokens.push((await rig.people.logIn(nurse)).accessToken);
  const { accessToken: unknown } = await rig.people.logIn(nurse);
  const [patient, impatient] = [PATIENT, IMPATIENT].map((policy) => begin(rig.app(policy), tokens)) as [Load, Load];
  await pause(1_500);

  const goingAt = performance.now();
  await away();
  const downAt = performance.now();
  let untilAt = downAt;
  try {
    await meanwhile(unknown);
    await pause(downAt + ms - performance.now());
  } finally {
    untilAt = performance.now();
    await back();
  }
  const upAt = performance.now();
  let wellAt = upAt;
  try {
    wellAt = await expectWell(upAt);
    await pause(500);
  } finally {
    await Promise.all([patient.stop(), impatient.stop()]);
  }
  return { patient: patient.outcomes, impatient: impatient.outcomes, goingAt, downAt, untilAt, wellAt };
}

function begin(url: string, tokens: readonly string[]): Load {
  let count = 0;
  const next = () => ({ path: `/patients/${++count}`, token: tokens[count % tokens.length] ?? "" });
  const load = startLoad({ url, connections: SESSIONS, restMs: 20, next });
  loads.push(load);
  return load;
}

/** Logins work, both apps let the new session in, and its logout counts on both. Answers when that was so. */
async function expectWell(upAt: number): Promise<number> {
  const apps = [rig.app(PATIENT), rig.app(IMPATIENT)];
  const statuses = (token: string) =>
    Promise.all(apps.map(async (url) => (await ask(undefined, url, { path: "/patients/0", token })).status));
  const { accessToken } = await eventually(
    () => rig.people.logIn(nurse),
    () => true,
    BACK_WITHIN_MS,
  );
  const logins = performance.now() - upAt;
  expect(
    await eventually(
      () => statuses(accessToken),
      ([a, b]) => a === 200 && b === 200,
      BACK_WITHIN_MS,
    ),
  ).toEqual([200, 200]);
  const allowed = performance.now() - upAt;
  expect(await identity("/auth/logout", { token: accessToken })).toMatchObject({ status: 200 });
  expect(
    await eventually(
      () => statuses(accessToken),
      ([a, b]) => a === 401 && b === 401,
      BACK_WITHIN_MS,
    ),
  ).toEqual([401, 401]);
  const wellAt = performance.now();
  const enforced = wellAt - upAt;
  console.log(
    `after its return: logins ${Math.round(logins)} ms, both apps ${Math.round(allowed)} ms, a logout ${Math.round(enforced)} ms`,
  );
  return wellAt;
}

async function identity(
  path: string,
  json?: unknown,
): Promise<{ status: number; code: string; retryAfter: string | null }> {
  const body = json === undefined ? {} : { method: "POST", body: JSON.stringify(json) };
  const response = await fetch(`${rig.identity()}${path}`, {
    headers: { "content-type": "application/json" },
    ...body,
  });
  const { code = "" } = (await response.json()) as { code?: string };
  return { status: response.status, code, retryAfter: response.headers.get("retry-after") };
}

function expectCourse({ patient, impatient, goingAt, downAt, untilAt, wellAt }: Course): void {
  const others = (outcomes: readonly Outcome[], ...statuses: number[]) =>
    outcomes.filter(({ status }) => !statuses.includes(status)).slice(0, 5);
  console.log(`patient ${JSON.stringify(tally(patient))}, impatient ${JSON.stringify(tally(impatient))}`);
  // Nobody who is patient loses a request; nobody at all is told that his session is bad.
  expect(others(patient, 200)).toEqual([]);
  expect(others(impatient, 200, 503)).toEqual([]);
  // What is known grows old from the beginning of a shutdown that takes its time.
  const before = impatient.filter(({ answeredAt }) => answeredAt < goingAt + IMPATIENT_MS - LAG_MS);
  expect(others(before, 200)).toEqual([]);
  const beyond = impatient.filter(({ sentAt, answeredAt }) => sentAt > downAt + IMPATIENT_MS && answeredAt < untilAt);
  expect(beyond.length).toBeGreaterThan(0);
  expect(others(beyond, 503)).toEqual([]);
  const refused = impatient.filter(({ status }) => status === 503);
  expect(refused.filter(({ code, retryAfter }) => code !== "Unavailable" || !(Number(retryAfter) > 0))).toEqual([]);
  const after = [...impatient].filter(({ sentAt }) => sentAt > wellAt);
  expect(after.length).toBeGreaterThan(0);
  expect(others(after, 200)).toEqual([]);
}

async function expectAllOnRecord({ patient, impatient }: Course): Promise<void> {
  const { records, lost, doubled } = await audit(database, [...patient, ...impatient]);
  expect(lost.slice(0, 5)).toEqual([]);
  expect(doubled.slice(0, 5)).toEqual([]);
  const stale = [patient, impatient].map((outcomes) => outcomes.filter(({ id }) => records.get(id)?.stale).length);
  console.log(`${patient.length + impatient.length} requests, all on record; stale: ${stale}`);
  expect(Math.min(...stale)).toBeGreaterThan(0);
  const { code, output } = await runHeauth(["ledger", "verify", "--tenant", "acme", "--data", rig.data]);
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^intact/) });
}

test("stopped for 20 s: known sessions go on within maxStaleness, the rest is told to wait, nothing is lost", async () => {
  const course = await outage(
    { away: () => postgres.stop(), back: () => postgres.start() },
    20_000,
    async (unknown) => {
      await pause(1_000);
      for (const url of [rig.app(PATIENT), rig.app(IMPATIENT)]) {
        expect(await ask(undefined, url, { path: "/patients/0", token: unknown })).toMatchObject({
          status: 503,
          code: "Unavailable",
        });
        expect(await ask(undefined, url, { path: "/patients/0" })).toMatchObject({ status: 401 });
      }
      const away = { status: 503, code: "StoreUnavailable" };
      expect(await identity("/auth", { ...nurse })).toMatchObject(away);
      expect(await identity("/auth", { ...nurse, password: "not the password" })).toMatchObject(away);
      expect(await identity("/auth/logout", { token: unknown })).toMatchObject(away);
      expect(await identity("/readyz")).toMatchObject({ status: 503 });
      expect(await identity("/healthz")).toMatchObject({ status: 200 });
    },
  );
  expectCourse(course);
  await expectAllOnRecord(course);
}, 240_000);

test("hung for 8 s: the same, though every statement hangs with it", async () => {
  const server = postgres.pid ?? 0;
  const logins: ReturnType<typeof identity>[] = [];
  const course = await outage({ away: () => hang(server), back: () => goOn(server) }, 8_000, async (unknown) => {
    const url = rig.app(PATIENT);
    expect(await ask(undefined, url, { path: "/patients/0", token: unknown })).toMatchObject({ status: 503 });
    logins.push(identity("/auth", { ...nurse }));
  });
  expectCourse(course);
  // It may have waited for the whole of it, or been told that it takes too long.
  for (const login of logins) expect([200, 503]).toContain((await login).status);
  await expectAllOnRecord(course);
}, 240_000);
