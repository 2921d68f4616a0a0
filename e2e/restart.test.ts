// What survives an end and a new beginning on the same folder, and that an end leaves nothing behind.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { runHeauth } from "../examples/clinic/tour/standalone.ts";
import { eventually } from "./faults/eventually.ts";
import { ask, startLoad } from "./faults/load.ts";
import { audit } from "./faults/records.ts";
import type { Account, Login } from "./standalone/people.ts";
import { startedBy, stillRunning } from "./standalone/processes.ts";
import { type Rig, startRig } from "./standalone/rig.ts";

let rig: Rig;
let doctor: Account;
let session: Login;

beforeAll(async () => {
  rig = await startRig();
  doctor = await rig.people.create({ login: "ada", roles: ["doctor"] });
  session = await rig.people.logIn(doctor);
}, 60_000);
afterAll(() => rig?.stop(), 60_000);

const read = (token = session.accessToken) => ask(undefined, rig.app(), { path: "/patients/1", token });

/** Size of the log in the anchor: the second line of a checkpoint. */
async function anchored(): Promise<number> {
  const note = await readFile(join(rig.data, "anchors/acme.checkpoint"), "utf8");
  return Number(note.split("\n")[1]);
}

/** Ends it by a signal, under load and with a request under way, and expects that nothing is lost and nothing stays. */
async function expectCleanEnd(signal: "SIGTERM" | "SIGINT"): Promise<void> {
  const { pid, ended } = rig.standalone();
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  rig.upstream.answer = async ({ path }) => {
    if (path !== "/patients/slow") return { status: 200, body: "the app" };
    arrived.resolve();
    await answer.promise;
    return { status: 200, body: "at last" };
  };
  const load = startLoad({
    url: rig.app(),
    connections: 8,
    next: () => ({ path: "/patients/1", token: session.accessToken }),
  });
  await load.until(({ status }) => status === 200);
  const slow = ask(undefined, rig.app(), { path: "/patients/slow", token: session.accessToken });
  await arrived.promise;
  const family = await startedBy(pid);

  process.kill(pid, signal);
  await eventually(() => rig.standalone().log.some((line) => line.includes('"stopping"')), Boolean);
  setTimeout(answer.resolve, 1_000);
  expect(await slow).toMatchObject({ status: 200 });
  expect(await ended).toBe(0);
  const outcomes = [...(await load.stop()), await slow];
  // Clients are told to go, and then find nobody there; none is cut off.
  expect(outcomes.filter(({ status, failure }) => status !== 200 && failure !== "ECONNREFUSED")).toEqual([]);
  const left = await eventually(
    () => stillRunning(family),
    (those) => those.length === 0,
  );
  expect(left).toEqual([]);
  expect(rig.standalone().log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);

  await rig.start();
  const { lost, doubled } = await audit(await rig.databaseUrl(), outcomes);
  expect({ lost, doubled }).toEqual({ lost: [], doubled: [] });
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s: requests under way finish, all is on record, no process stays",
  async (signal) => {
    const keys = await readFile(join(rig.data, "ledger-keys.json"), "utf8");
    const size = await anchored();
    await expectCleanEnd(signal);

    expect(await readFile(join(rig.data, "ledger-keys.json"), "utf8")).toBe(keys);
    expect(await read()).toMatchObject({ status: 200 });
    const write = { method: "PUT", path: "/patients/1", token: session.accessToken };
    expect(await ask(undefined, rig.app(), write)).toMatchObject({ status: 200 });
    const again = await rig.people.logIn(doctor);
    expect(again.user).toBe(session.user);
    expect(await read(again.accessToken)).toMatchObject({ status: 200 });
    expect(await eventually(anchored, (now) => now > size)).toBeGreaterThan(size);

    const keysFile = ["--keys", join(rig.data, "ledger-keys.json")];
    const anchor = ["--against", join(rig.data, "anchors/acme.checkpoint"), "--require-anchor"];
    for (const where of [
      ["--data", rig.data],
      ["--database", await rig.databaseUrl(), ...keysFile, ...anchor],
    ]) {
      const { code, output } = await runHeauth(["ledger", "verify", "--tenant", "acme", ...where]);
      expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^intact/) });
    }
  },
  180_000,
);

test("a second one on the same folder is refused in one line", async () => {
  const places = ["--resources", rig.resources, "--data", rig.data, "--identity", "127.0.0.1:0"];
  const { code, output } = await runHeauth(["standalone", ...places]);
  expect(code).toBe(1);
  const lines = output
    .trim()
    .split("\n")
    .filter((line) => /"level":"(error|fatal)"|^[^{]/.test(line));
  expect(lines).toEqual([expect.stringMatching(/in use|another/i)]);
  expect(await read()).toMatchObject({ status: 200 });
}, 60_000);

test("while it does not run, the ledger is still verified and superusers are still created", async () => {
  expect(await rig.end()).toBe(0);
  const verified = await runHeauth(["ledger", "verify", "--tenant", "acme", "--data", rig.data]);
  expect(verified).toEqual({ code: 0, output: expect.stringMatching(/^intact/) });
  const who = { tenant: "acme", login: "later@acme.example", password: "a long password of theirs" };
  const create = ["superuser", "create", "--tenant", who.tenant, "--email", who.login, "--password-stdin"];
  const created = await runHeauth([...create, "--data", rig.data], `${who.password}\n`);
  expect(created).toMatchObject({ code: 0 });

  await rig.start();
  const { accessToken } = await rig.people.logIn(who);
  expect(await read(accessToken)).toMatchObject({ status: 200 });
}, 120_000);

test("an embedded PostgreSQL that is killed comes back by itself", async () => {
  const postgres = await rig.postgres();
  if (postgres === undefined) throw new Error("no PostgreSQL runs");
  process.kill(postgres.pid, "SIGKILL");
  const login = await eventually(
    () => rig.people.logIn(doctor),
    () => true,
  );
  expect(
    await eventually(
      () => read(login.accessToken),
      ({ status }) => status === 200,
    ),
  ).toMatchObject({ status: 200 });
  expect((await rig.postgres())?.pid).not.toBe(postgres.pid);
  const { lost } = await audit(await rig.databaseUrl(), [await read(login.accessToken)]);
  expect(lost).toEqual([]);
}, 240_000);
