import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { LEDGER_KEYS, newKeySet } from "./key-set.ts";
import { pinnedKeysFile } from "./pinned-keys-file.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-pinned-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("follows the file, and what is no file of keys changes nothing", async () => {
  const path = join(folder, LEDGER_KEYS);
  const [first = "", second = ""] = [newKeySet().get(LEDGER_KEYS), newKeySet().get(LEDGER_KEYS)];
  await writeFile(path, first);
  const file = pinnedKeysFile(path, log);
  await file.start();
  try {
    expect(file.current()).toBe(await readFile(path, "utf8"));
    await writeFile(path, newKeySet().get("operator.json") ?? "");
    await file.look();
    expect(file.current()).toBe(first);
    await writeFile(path, second);
    await file.look();
    expect(file.current()).toBe(second);
  } finally {
    await file.stop(AbortSignal.abort());
  }
});
