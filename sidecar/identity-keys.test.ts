import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPinnedKeys, pinnedKey, pinnedKeys } from "@heauth/core/ledger";
import { createLogs, type RotatingFiles } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createIdentityKeys, distrustLost, type IdentityKeys } from "./identity-keys.ts";
import { bounds, testCache, told } from "./sessions/testing.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const { hub: anotherInstallation } = testCache();

let it: ReturnType<typeof testCache>;
let folder: string;
let keys: RotatingFiles<IdentityKeys>;
let version = 0;

/** As the kubelet does with a ConfigMap: a folder for each version, and a link that is moved. */
async function mount(text: string): Promise<void> {
  const name = `..${++version}`;
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, "ledger-keys.json"), text);
  await symlink(name, join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
}

const fileOf = (...programs: ["identity" | "hub", typeof it.hub][]) =>
  formatPinnedKeys(pinnedKeys(programs.map(([program, { identity }]) => pinnedKey(program, identity.publicKey))));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-identity-keys-"));
  await symlink(join("..data", "ledger-keys.json"), join(folder, "ledger-keys.json"));
  keys = createIdentityKeys({ file: join(folder, "ledger-keys.json"), log });
  it = testCache({ identityKeys: keys.current });
  distrustLost(keys, it.cache);
});
afterEach(async () => {
  await keys.stop(AbortSignal.abort());
  await rm(folder, { recursive: true });
});

test("sessions of a key that comes in are believed from then on", async () => {
  await mount(fileOf(["identity", anotherInstallation]));
  await keys.start();
  const session = it.hub.open();
  expect(told(await it.resolve(session))).toBe("Untrusted");
  await mount(fileOf(["identity", anotherInstallation], ["identity", it.hub]));
  await keys.look();
  it.clock.pass(2_000);
  expect(told(await it.resolve(session))).toBe("Open");
});

test("sessions of a key that goes are not believed any more, although they were", async () => {
  await mount(fileOf(["identity", anotherInstallation], ["identity", it.hub]));
  await keys.start();
  const session = it.hub.open();
  expect(told(await it.resolve(session))).toBe("Open");
  await mount(fileOf(["identity", anotherInstallation]));
  await keys.look();
  expect(told(await it.resolve(session))).toBe("Untrusted");
});

test("a key more costs those who are there nothing", async () => {
  await mount(fileOf(["identity", it.hub]));
  await keys.start();
  const session = it.hub.open();
  await it.resolve(session);
  await mount(fileOf(["identity", anotherInstallation], ["identity", it.hub]));
  await keys.look();
  expect(told(await it.resolve(session, bounds))).toBe("Open");
  expect(it.hub.lookUps).toBe(1);
});

test.each([
  ["cut off", () => fileOf(["identity", it.hub]).slice(0, 60)],
  ["without a key of identity's", () => fileOf(["hub", it.hub])],
])("a file that is %s changes nothing, and is told of until it is mended", async (_, text) => {
  await mount(fileOf(["identity", it.hub]));
  await keys.start();
  const before = keys.current();
  await mount(text());
  await keys.look();
  expect(keys.current()).toBe(before);
  expect(keys.problem).toEqual(expect.any(String));
  await mount(fileOf(["identity", it.hub]));
  await keys.look();
  expect(keys.problem).toBeUndefined();
});
