import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { AnchorFiles } from "./files.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-anchors-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what was written is read back; none is undefined", async () => {
  const anchors = new AnchorFiles(join(folder, "anchors"));
  expect(await anchors.read({ name: "acme" })).toBeUndefined();
  await anchors.write({ name: "acme" }, "one\n");
  await anchors.write({ name: "acme" }, "two\n");
  await anchors.write({ name: "other" }, "three\n");
  expect(await anchors.read({ name: "acme" })).toBe("two\n");
  expect(await readFile(join(folder, "anchors", "other.checkpoint"), "utf8")).toBe("three\n");
});

test("one that is of no use any more is forgotten, and is no error where it is not", async () => {
  const anchors = new AnchorFiles(folder);
  await anchors.write({ name: "gone" }, "note");
  await anchors.forget({ name: "gone" });
  await anchors.forget({ name: "gone" });
  expect(await anchors.read({ name: "gone" })).toBeUndefined();
});

test("a write that was torn leaves the last anchor, and the next write succeeds", async () => {
  const anchors = new AnchorFiles(folder);
  await anchors.write({ name: "acme" }, "one\n");
  await writeFile(join(folder, "acme.checkpoint.d7e1.new"), "tw");
  expect(await anchors.read({ name: "acme" })).toBe("one\n");
  await anchors.write({ name: "acme" }, "two\n");
  expect(await anchors.read({ name: "acme" })).toBe("two\n");
});

test("of many who write at once each succeeds, and a whole note is left", async () => {
  const notes = Array.from({ length: 50 }, (_, n) => `${n}`.repeat(200 + n));
  await Promise.all(notes.map((note) => new AnchorFiles(folder).write({ name: "acme" }, note)));
  expect(notes).toContain(await new AnchorFiles(folder).read({ name: "acme" }));
  expect(await readdir(folder)).toEqual(["acme.checkpoint"]);
});

test("a folder that can't be read is an error, not the absence of an anchor", async () => {
  const path = join(folder, "file");
  await writeFile(path, "");
  await expect(new AnchorFiles(join(path, "anchors")).read({ name: "acme" })).rejects.toMatchObject({
    code: "ENOTDIR",
  });
});

test.each(["../acme", "a/b", "", ".", "Acme", "a\0"])("the name %j is refused", async (name) => {
  await expect(new AnchorFiles(folder).write({ name }, "x")).rejects.toMatchObject({ code: "TenantNameInvalid" });
});
