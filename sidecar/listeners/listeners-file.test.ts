import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ListenersFile } from "./listeners-file.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-listeners-"));
  path = join(folder, "listeners.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("each is another file, whole, for its owner and group only", async () => {
  const file = new ListenersFile(path);
  await file.write("one");
  const { ino, mode } = await stat(path);
  expect(mode & 0o777).toBe(0o640);
  await file.write("two");
  expect((await stat(path)).ino).not.toBe(ino);
  expect(await readFile(path, "utf8")).toBe("two");
  expect(await readdir(folder)).toEqual(["listeners.json"]);
});

test("the same again is not written: Envoy has nothing to read", async () => {
  const file = new ListenersFile(path);
  await file.write("one");
  const { ino } = await stat(path);
  await file.write("one");
  expect((await stat(path)).ino).toBe(ino);
});

test("of many at once, the last one stays", async () => {
  const file = new ListenersFile(path);
  await Promise.all(Array.from({ length: 50 }, (_, n) => file.write(`${n}`)));
  expect(await readFile(path, "utf8")).toBe("49");
});

test("what can't be written is told, and the next is written all the same", async () => {
  const file = new ListenersFile(path);
  await file.write("one");
  await mkdir(`${path}.next`);
  await expect(file.write("two")).rejects.toMatchObject({ code: "EISDIR" });
  expect(await readFile(path, "utf8")).toBe("one");
  await rmdir(`${path}.next`);
  await file.write("two");
  expect(await readFile(path, "utf8")).toBe("two");
});
