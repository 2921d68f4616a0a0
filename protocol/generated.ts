#!/usr/bin/env node
// Fails when the generated code is not what the .proto files give: run `npm run generate` then.
import { execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const fresh = mkdtempSync(join(tmpdir(), "heauth-generated-"));

function contents(folder: string): Map<string, string> {
  const names = globSync("protocol/gen/**/*.ts", { cwd: folder });
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

try {
  execFileSync("buf", ["generate", "--output", fresh], { cwd: root, stdio: "inherit" });
  const [stored, wanted] = [contents(root), contents(fresh)];
  const names = [...new Set([...stored.keys(), ...wanted.keys()])];
  const drifted = names.filter((name) => stored.get(name) !== wanted.get(name)).sort();
  for (const name of drifted) console.error(`${name} is not up to date: run npm run generate`);
  process.exitCode = drifted.length === 0 && wanted.size > 0 ? 0 : 1;
} finally {
  rmSync(fresh, { recursive: true });
}
