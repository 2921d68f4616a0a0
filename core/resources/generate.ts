#!/usr/bin/env node
// Writes the CRDs and the field reference; with --check, writes nothing and fails where a file differs.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generatedFiles } from "./generated.ts";

const root = join(import.meta.dirname, "../..");
const check = process.argv.includes("--check");

for (const { path, content } of generatedFiles()) {
  const file = join(root, path);
  const present = await readFile(file, "utf8").catch(() => undefined);
  if (present === content) continue;
  if (check) {
    process.stderr.write(`${path} is not what the schemas say: run npm run generate\n`);
    process.exitCode = 1;
  } else {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    process.stdout.write(`wrote ${path}\n`);
  }
}
