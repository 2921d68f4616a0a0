import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { kubeAssets } from "./assets.ts";

const script = join(import.meta.dirname, "../../setup/kube.sh");
const run = promisify(execFile);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-assets-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A folder with programs that say what they were called with. */
async function programs(names: readonly string[], script = ""): Promise<void> {
  for (const name of names) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
}

test("KUBEBUILDER_ASSETS comes first, and what is missing there is not looked for elsewhere", async () => {
  const environment = { KUBEBUILDER_ASSETS: folder };
  expect(kubeAssets(environment)).toBeUndefined();
  await programs(["etcd", "kube-apiserver", "kubectl"]);
  expect(kubeAssets(environment)).toEqual({
    etcd: join(folder, "etcd"),
    kubeApiserver: join(folder, "kube-apiserver"),
    kubectl: join(folder, "kubectl"),
  });
});

test("the script and the tests mean the same folder in the cache", async () => {
  // A Go that builds nothing but writes what it is asked for.
  await programs(
    ["go"],
    'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo "#!/bin/sh" >"$2" && chmod +x "$2"; shift; done',
  );
  const environment = { PATH: `${folder}:${process.env["PATH"]}`, XDG_CACHE_HOME: join(folder, "cache") };
  expect(kubeAssets(environment)).toBeUndefined();
  expect((await run(script, { env: environment })).stdout).toMatch(/^Building etcd, .* minutes or longer …\n$/);
  expect(kubeAssets(environment)).toMatchObject({
    kubeControllerManager: expect.stringContaining("cache/heauth/kube-"),
  });
  expect(await run(script, { env: environment })).toEqual({ stdout: "", stderr: "" });
  expect(await readdir(join(folder, "cache/heauth"))).toHaveLength(1);
});

test("without Go it says what is skipped and why, and lets the rest go on", async () => {
  for (const name of ["sh", "dirname", "cat", "sha256sum", "cut"]) {
    await writeFile(join(folder, name), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${name} "$@"\n`, { mode: 0o755 });
  }
  const environment = { PATH: folder, XDG_CACHE_HOME: join(folder, "cache") };
  const { stderr } = await run("/bin/sh", [script], { env: environment });
  expect(stderr).toMatch(/^note: every test in \*\.kube\.test\.ts will be skipped: there is no Go/);
});

test("a build that fails says why, leaves nothing behind, and lets the rest go on", async () => {
  await programs(["go"], "echo 'no such module' >&2; exit 1");
  const environment = { PATH: `${folder}:${process.env["PATH"]}`, XDG_CACHE_HOME: join(folder, "cache") };
  const { stderr } = await run(script, { env: environment });
  expect(stderr).toMatch(/no such module\n.*will be skipped: Go could not build/s);
  expect(await readdir(join(folder, "cache/heauth"))).toEqual([]);
});
