// A database that was restored from an older backup is found; a person lets the log go on, and everybody can see it.
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { runHeauth } from "../examples/clinic/tour/standalone.ts";
import { eventually } from "./faults/eventually.ts";
import { ask } from "./faults/load.ts";
import { query } from "./faults/records.ts";
import type { Account, Login } from "./standalone/people.ts";
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

/** With its owner: PostgreSQL does not run as root. */
const copy = (from: string, to: string) => promisify(execFile)("cp", ["-a", from, to]);

const read = (token: string) => ask(undefined, rig.app(), { path: "/patients/1", token });

/** Epoch and size of the log in the anchor. */
async function anchored(): Promise<{ epoch: number; size: number }> {
  const [origin = "", size] = (await readFile(join(rig.data, "anchors/acme.checkpoint"), "utf8")).split("\n");
  return { epoch: Number(origin.split("/").at(-1)), size: Number(size) };
}

test("after a restored backup the log stops, goes on when it is told to, and verify says what was lost", async () => {
  expect(await read(session.accessToken)).toMatchObject({ status: 200 });
  expect(await rig.end()).toBe(0);
  const [postgres, backup] = [join(rig.data, "postgres"), join(rig.data, "backup")];
  await copy(postgres, backup);

  await rig.start();
  const { size } = await anchored();
  for (let n = 0; n < 3; n++) {
    const { accessToken } = await rig.people.logIn(doctor);
    expect(await read(accessToken)).toMatchObject({ status: 200 });
  }
  await eventually(anchored, (now) => now.size > size + 3);
  expect(await rig.end()).toBe(0);
  const newest = await anchored();
  await rm(postgres, { recursive: true });
  await copy(backup, postgres);

  await rig.start();
  const ledger = (...args: string[]) => runHeauth(["ledger", ...args, "--tenant", "acme", "--data", rig.data]);
  await eventually(() => rig.standalone().log.some((line) => line.includes("RolledBack")), Boolean);
  expect(await ledger("verify")).toEqual({ code: 1, output: expect.stringContaining("RolledBack") });
  // Apps are served meanwhile, and what happens is recorded; it only waits to be sealed.
  const { accessToken } = await rig.people.logIn(doctor);
  expect(await read(accessToken)).toMatchObject({ status: 200 });
  expect(await anchored()).toEqual(newest);

  const recovered = await ledger("recover", "--yes", "--reason", "restored the backup of this morning");
  expect(recovered).toEqual({ code: 0, output: expect.stringMatching(/goes on in epoch 1\n$/) });
  expect(await eventually(anchored, ({ epoch }) => epoch === 1)).toMatchObject({ epoch: 1 });
  expect(await read(accessToken)).toMatchObject({ status: 200 });
  const verified = await ledger("verify");
  expect(verified).toEqual({
    code: 0,
    output: expect.stringMatching(/^intact, RECOVERED \(once\).*goes on from the anchor/),
  });
  expect(verified.output).toMatch(/RECOVERED at .*Z: \d+ log entries lost, .*restored the backup of this morning/);
  expect(await ledger("verify", "--require-complete")).toMatchObject({ code: 3 });
  expect(await ledger("recover", "--yes", "--reason", "again")).toMatchObject({ code: 2 });
  const told = await query(await rig.databaseUrl(), "SELECT epoch, finding FROM heauth.audit_recovery");
  expect(told).toEqual([{ epoch: 1, finding: "RolledBack" }]);
}, 240_000);
