import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { fileOperations } from "./file-operations.ts";
import { lockFolder } from "./folder-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-lock-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a second one on the folder is refused and told who has it, until the first lets go", async () => {
  const first = await lockFolder(folder, fileOperations);
  await expect(lockFolder(folder, fileOperations)).rejects.toMatchObject({
    code: "WalLocked",
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await first.release();
  await (await lockFolder(folder, fileOperations)).release();
});

test("a killed process holds nothing", async () => {
  const program = `
    import { fileOperations } from ${JSON.stringify(new URL("./file-operations.ts", import.meta.url).href)};
    import { lockFolder } from ${JSON.stringify(new URL("./folder-lock.ts", import.meta.url).href)};
    await lockFolder(${JSON.stringify(folder)}, fileOperations);
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    await expect(lockFolder(folder, fileOperations)).rejects.toMatchObject({
      message: expect.stringContaining(`process ${child.pid}`),
    });
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await (await lockFolder(folder, fileOperations)).release();
});
