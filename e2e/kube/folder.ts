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
  return await temporaryFolder(PREFIX, removeFolder);
}

/** A temporary folder; first, each that a killed run has left under this prefix goes to `remove`, as this one does at its end. */
export async function temporaryFolder(prefix: string, remove: (path: string) => Promise<void>): Promise<Folder> {
  await removeAbandoned(prefix, remove);
  const path = await mkdtemp(join(tmpdir(), prefix));
  await writeFile(
    join(path, "owner.json"),
    JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) }),
  );
  return { path, remove: () => remove(path) };
}

/** Also while something still writes into it. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5 });
}

async function removeAbandoned(prefix: string, remove: (path: string) => Promise<void>): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((each) => each.startsWith(prefix))) {
    const path = join(tmpdir(), name);
    const owner = await readFile(join(path, "owner.json"), "utf8")
      .then(JSON.parse)
      .catch(() => undefined);
    // One that is only just beginning has not written its owner down yet.
    if (owner === undefined || processIdentity(owner.pid) === owner.identity) continue;
    await remove(path);
  }
}
