import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { newProgramKeyFile, type ProgramKey, parseProgramKeyFile } from "@heauth/core/keys";
import { formatPinnedKeys, parseCheckpoint, pinnedKey } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../operator/testing/seal-rig.ts";
import { type RecoverArguments, runRecover } from "./run-recover.ts";
import { runVerify } from "./run-verify.ts";

let rig: SealRig;
let tenant: SealedTenant;
let folder: string;
let cli: ProgramKey;
let ahead: string;

beforeAll(async () => {
  rig = await SealRig.open();
  folder = await mkdtemp(join(tmpdir(), "heauth-recover-"));
  const key = newProgramKeyFile("cli");
  cli = parseProgramKeyFile(key, "cli");
  const pinned = new Map([...rig.keys.pinned, [cli.id, pinnedKey("cli", cli.publicKey)]]);
  await writeFile(join(folder, "cli.json"), key);
  await writeFile(join(folder, "other.json"), newProgramKeyFile("cli"));
  await writeFile(join(folder, "ledger-keys.json"), formatPinnedKeys(pinned));
});
afterAll(async () => {
  await rig.drop();
  await rm(folder, { recursive: true, force: true });
});

const keys = () => ({
  operator: rig.keys.operator,
  pinned: new Map([...rig.keys.pinned, [cli.id, pinnedKey("cli", cli.publicKey)]]),
});
const anchors = () => dirname(tenant.anchors.pathOf(tenant.name));

beforeEach(async () => {
  tenant = await rig.tenant();
  for (let n = 0; n < 3; n++) {
    await tenant.record();
    await tenant.seal({ keys: keys() });
  }
  ahead = (await tenant.anchor()) ?? "";
});
afterEach(() => tenant.end());

/** What the command does and says; `agree`: what is answered to its plan. */
async function recover(options: Partial<RecoverArguments> = {}, { agree = true, waitMs = 0 } = {}) {
  let out = "";
  let plan = "";
  const asked = await runRecover(
    {
      tenant: tenant.name,
      reason: "restored last night's backup",
      database: rig.store.url,
      programKey: join(folder, "cli.json"),
      ledgerKeys: join(folder, "ledger-keys.json"),
      anchors: anchors(),
      ...options,
    },
    {
      confirm: async (text) => {
        plan = text;
        return agree;
      },
      out: { write: (text) => (out += text) },
      waitMs,
    },
  );
  return { asked, out, plan };
}

async function verify(requireComplete?: true) {
  let out = "";
  const code = await runVerify(
    {
      tenant: tenant.name,
      database: rig.store.url,
      keys: join(folder, "ledger-keys.json"),
      against: tenant.anchors.pathOf(tenant.name),
      requireComplete,
    },
    { out: { write: (text) => (out += text) }, err: { write: () => undefined } },
  );
  return { code, out };
}

const requests = () => tenant.sql("SELECT number FROM recovery WHERE tenant_id = $1");

describe("a log that was rolled back", () => {
  beforeEach(() => tenant.rollBack(7));

  test("goes on as soon as the operator has seen the recovery, and verify tells everybody", async () => {
    const { code: before } = await verify();
    expect(before).toBe(1);
    const recovering = recover({}, { waitMs: 20_000 });
    while ((await requests()).length === 0) await tenant.seal({ keys: keys() });
    await tenant.seal({ keys: keys() });
    const { plan, out } = await recovering;
    expect(plan).toMatch(
      /log {6}epoch 0, 7 entries: all of them are kept\n.*anchor {3}epoch 0, 9 entries\n.*lost {5}2 entries/,
    );
    expect(out).toBe(`the log of ${tenant.name} goes on in epoch 1\n`);
    const { code, out: verdict } = await verify();
    expect(code).toBe(0);
    const [headline, told] = verdict.split("\n");
    expect(headline).toMatch(/^intact, RECOVERED \(once\): .*; goes on from the anchor$/);
    expect(told).toMatch(
      new RegExp(
        `^ {2}RECOVERED at .*Z: 2 log entries lost, the anchor had 9; epoch 1 goes on from 7 .*${cli.id}: restored`,
      ),
    );
    expect((await verify(true)).code).toBe(3);
    await tenant.anchors.write(tenant, ahead);
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining("what the recovery says was lost") });
  });

  test("is not touched when the answer is no, and waits for the operator when it is away", async () => {
    expect(await recover({}, { agree: false })).toMatchObject({ asked: false, out: "" });
    expect(await requests()).toEqual([]);
    expect(await recover()).toMatchObject({ asked: true, out: expect.stringContaining("has not taken it up") });
    expect(parseCheckpoint((await tenant.anchor()) ?? "").epoch).toBe(0);
    await tenant.seal({ keys: keys() });
    expect(parseCheckpoint((await tenant.anchor()) ?? "").epoch).toBe(1);
    await expect(recover()).rejects.toMatchObject({ code: "NothingToRecover" });
  });

  test("by a login that may do nothing else", async () => {
    const login = `recovery_${uuidv7().replaceAll("-", "")}`;
    await rig.store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'secret'`);
    const database = rig.store.url.replace(/\/\/.*?@/, `//${login}:secret@`);
    try {
      await expect(recover({ database })).rejects.toMatchObject({
        code: "InvalidOption",
        message: expect.stringContaining("heauth_recovery"),
      });
      await rig.store.superuser.query(`GRANT heauth_recovery TO ${login}`);
      expect(await recover({ database })).toMatchObject({ asked: true });
      expect(await requests()).toHaveLength(1);
    } finally {
      await rig.store.superuser.query(`DROP ROLE ${login}`);
    }
  });

  test("and is damaged in itself is not recovered", async () => {
    await tenant.sql("DELETE FROM log_entry WHERE tenant_id = $1 AND index = 4");
    await expect(recover()).rejects.toMatchObject({
      code: "NothingToRecover",
      message: expect.stringMatching(/LogEntryMissing.*restore a backup/),
    });
    expect(await requests()).toEqual([]);
  });

  test.each<[string, () => Partial<RecoverArguments>, RegExp]>([
    ["a reason of two lines", () => ({ reason: "a\nb" }), /--reason/],
    ["no key", () => ({ programKey: undefined }), /--program-key/],
    ["a key that is not pinned", () => ({ programKey: join(folder, "other.json") }), /does not have cli-/],
    ["no pinned keys", () => ({ ledgerKeys: undefined }), /--ledger-keys/],
    ["no place of anchors", () => ({ anchors: undefined }), /--anchors/],
    ["two places of anchors", () => ({ kubeconfig: "/x" }), /not both/],
    ["an unknown tenant", () => ({ tenant: "nobody" }), /--tenant/],
  ])("with %s is refused", async (_what, options, message) => {
    await expect(recover(options())).rejects.toMatchObject({ message: expect.stringMatching(message) });
    expect(await requests()).toEqual([]);
  });
});

test("an intact log is not recovered", async () => {
  await expect(recover()).rejects.toMatchObject({ code: "NothingToRecover" });
});

test("a log whose anchor is gone goes on, and nobody can say what was lost", async () => {
  await rm(tenant.anchors.pathOf(tenant.name));
  const { plan } = await recover();
  expect(plan).toMatch(/anchor {3}none\n.*lost {5}can't be told/);
  await tenant.seal({ keys: keys() });
  expect(await verify()).toMatchObject({
    code: 0,
    out: expect.stringContaining("an unknown number of log entries lost"),
  });
});
