import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createLogs } from "./logs.ts";
import { createRotatingFiles, type RotatingFiles } from "./rotating-files.ts";

let folder: string;
let files: RotatingFiles<string>;
let seen: string[];

/** As the kubelet does it: a folder per version, and a link that is moved. */
async function mount(version: string, left: string, right: string): Promise<void> {
  await mkdir(join(folder, version));
  await writeFile(join(folder, version, "left"), left);
  await writeFile(join(folder, version, "right"), right);
  await symlink(version, join(folder, "next"));
  await rename(join(folder, "next"), join(folder, "data"));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-rotating-"));
  await mount("1", "a", "A");
  files = createRotatingFiles({
    name: "pair of letters",
    files: ["left", "right"].map((name) => join(folder, "data", name)),
    parse(contents) {
      const [left = "", right] = contents.map(String);
      if (left.toUpperCase() !== right) throw new Error("they don't fit");
      return left;
    },
    log: createLogs({ program: "test", level: "silent" }).log,
    everyMs: 3_600_000,
  });
  seen = [];
  files.subscribe((now) => seen.push(now));
});
afterEach(async () => {
  await files.stop(AbortSignal.abort());
  await rm(folder, { recursive: true });
});

test("what the files hold is read, again when they were replaced, and told of once", async () => {
  await files.start();
  expect(files.current()).toBe("a");
  await files.look();
  expect(seen).toEqual([]);
  await mount("2", "b", "B");
  await files.look();
  await files.look();
  expect([files.current(), seen]).toEqual(["b", ["b"]]);
});

test("half of a replacement, or none any more, leaves the last good one", async () => {
  await files.start();
  await mount("2", "b", "A");
  await files.look();
  expect(files.current()).toBe("a");
  await rm(join(folder, "data"));
  await files.look();
  expect(files.current()).toBe("a");
  await mount("3", "c", "C");
  await files.look();
  expect([files.current(), seen]).toEqual(["c", ["c"]]);
});

test("the files are looked at by themselves", async () => {
  const quick = createRotatingFiles({
    name: "letter",
    files: [join(folder, "data", "left")],
    parse: ([left]) => String(left),
    log: createLogs({ program: "test", level: "silent" }).log,
    everyMs: 5,
  });
  await quick.start();
  const told = Promise.withResolvers<string>();
  quick.subscribe(told.resolve);
  await mount("2", "b", "B");
  expect(await told.promise).toBe("b");
  await quick.stop(AbortSignal.abort());
});

test("nothing good to begin with is an error that names the files", async () => {
  await mount("2", "b", "A");
  await expect(files.start()).rejects.toMatchObject({
    code: "StartFailed",
    message: expect.stringContaining("/data/left"),
  });
});
