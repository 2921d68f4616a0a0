#!/usr/bin/env node
// Writes what the chart has from elsewhere, and its README; with --check, writes nothing and fails where a file differs.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asTemplate, crdTemplate } from "./as-template.ts";
import { describeValues } from "./describe-values.ts";

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");
const CHART = "charts/heauth";
const FROM_CRDS = `${CHART}/templates/crds`;
const FROM_MANIFESTS = `${CHART}/templates/manifests`;
/** `helm install --create-namespace` makes the namespace; a chart can't hold the one that it is installed into. */
const NOT_IN_CHART = "namespace.yaml";

const text = (path: string) => readFile(join(root, path), "utf8");
const wanted = new Map<string, string>();
for (const name of await readdir(join(root, "crds"))) {
  wanted.set(`${FROM_CRDS}/${name}`, crdTemplate(await text(`crds/${name}`)));
}
for (const entry of await readdir(join(root, "manifests"), { recursive: true })) {
  if (!entry.endsWith(".yaml") || entry === NOT_IN_CHART) continue;
  wanted.set(`${FROM_MANIFESTS}/${entry.replace("/", "-")}`, asTemplate(await text(`manifests/${entry}`), entry));
}
const readme = await text(`${CHART}/README.md`);
wanted.set(`${CHART}/README.md`, describeValues(readme, await text(`${CHART}/values.yaml`)));

for (const [path, content] of wanted) {
  const present = await text(path).catch(() => undefined);
  if (present !== content) await differs(path, () => writeAll(path, content));
}
for (const folder of [FROM_CRDS, FROM_MANIFESTS]) {
  for (const name of await readdir(join(root, folder)).catch(() => [])) {
    if (!wanted.has(`${folder}/${name}`)) await differs(`${folder}/${name}`, () => rm(join(root, folder, name)));
  }
}

async function writeAll(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

async function differs(path: string, mend: () => Promise<void>): Promise<void> {
  if (check) {
    process.stderr.write(`${path} is not what it is made from: run npm run generate\n`);
    process.exitCode = 1;
  } else {
    await mend();
    process.stdout.write(`brought ${path} up to date\n`);
  }
}
