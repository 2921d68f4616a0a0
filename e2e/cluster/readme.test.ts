import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { kubeAssets } from "../kube/assets.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLE = "examples/notes/notes.yaml";
const run = promisify(execFile);

/** The commands of the README's section on Kubernetes, one a line. */
async function commands(): Promise<string[]> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, section = ""] = /^## On Kubernetes\n(.*?)^## /ms.exec(readme) ?? [];
  return section.split("\n").flatMap((line) => (line.startsWith("    ") ? [line.trim()] : []));
}

let cluster: InstalledCluster;
let folder: string;
beforeAll(async () => {
  cluster = await installedCluster();
  folder = await mkdtemp(join(tmpdir(), "heauth-readme-"));
  const example = (await readFile(join(ROOT, EXAMPLE), "utf8")).replaceAll("heauth:0.2.0", cluster.images.heauth);
  await mkdir(dirname(join(folder, EXAMPLE)), { recursive: true });
  await writeFile(join(folder, EXAMPLE), example);
  await symlink(kubeAssets()?.kubectl ?? "/usr/bin/kubectl", join(folder, "kubectl"));
});
afterAll(async () => {
  await cluster?.kubectl(["delete", "tenant/acme", "namespace/notes", "--ignore-not-found", "--wait=false"]);
  if (folder !== undefined) await rm(folder, { recursive: true });
});

async function enforced(): Promise<void> {
  const condition = ["wait", "authpolicies", "--all", "--for=condition=Enforced", "--timeout=120s"];
  await must(cluster.kubectl(["--namespace=notes", ...condition]));
}

test("the README's commands lead from an installed chart to a visited app and a verified ledger", async () => {
  const [build, install, ...others] = await commands();
  expect(build).toMatch(/^docker build /);
  expect(install).toMatch(/^helm install heauth charts\/heauth /);
  expect(others).toHaveLength(5);
  const environment = { ...process.env, KUBECONFIG: cluster.kubeconfig, PATH: `${folder}:${process.env["PATH"]}` };
  const said: string[] = [];
  for (const command of others) {
    // Whoever types them is slower than an Enforced, which takes two seconds.
    if (command.startsWith("kubectl get tenants")) await enforced();
    const { stdout } = await run("sh", ["-euc", command], { cwd: folder, env: environment });
    said.push(stdout);
  }
  const [, created, visited, resources, verified] = said;
  expect(created).toMatch(/^created me@acme\.example, admin of acme/);
  expect(visited?.match(/^\d{3}/gm)).toEqual(["401", "200", "200", "403", "200", "401"]);
  expect(resources).toMatch(/notes +authpolicy\S+notes +acme +Enforce +True +True +2 +2/);
  expect(verified).toMatch(/^intact/);
}, 240_000);
