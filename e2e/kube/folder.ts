import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processIdentity } from "@heauth/program";

const PREFIX = "heauth-kube-";

export interface Folder {
  readonly path: string;
  /** Removes it, if it is a temporary one. */
  remove(): Promise<void>;
}

/** The folder that was given, or a temporary one. Takes away what test runs that were killed have left. */
export async function openFolder(given: string | undefined): Promise<Folder> {
  if (given !== undefined) {
    await mkdir(given, { recursive: true });
    return { path: given, remove: async () => {} };
  }
  await removeAbandoned();
  const path = await mkdtemp(join(tmpdir(), PREFIX));
  await writeFile(
    join(path, "owner.json"),
    JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) }),
  );
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

async function removeAbandoned(): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((each) => each.startsWith(PREFIX))) {
    const path = join(tmpdir(), name);
    const owner = await readFile(join(path, "owner.json"), "utf8")
      .then(JSON.parse)
      .catch(() => undefined);
    // One that is only just beginning has not written its owner down yet.
    if (owner === undefined || processIdentity(owner.pid) === owner.identity) continue;
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}
