import { access, readFile, rm, writeFile } from "node:fs/promises";
import { EmbeddedPostgresError } from "./errors.ts";
import { isAlive, startTime } from "./processes.ts";

/** Which process runs a cluster, and the folder through which clients reach its socket. */
export type Owner = { pid: number; started: string; socketFolder: string };

/** Beside the data folder, not in it: that one belongs to the server's account. */
const noteOf = (dataDir: string) => `${dataDir}.owner.json`;

/**
 * Takes the cluster for this process, also from one that crashed.
 *
 * @throws EmbeddedPostgresError `InUse` when another live process has it
 */
export async function takeOwnership(dataDir: string, socketFolder: string): Promise<void> {
  const other = await liveOwner(dataDir);
  if (other) throw new EmbeddedPostgresError("InUse", `${dataDir} is in use by process ${other.pid}`);
  await giveUpOwnership(dataDir);
  const owner: Owner = { pid: process.pid, started: startTime(process.pid) ?? "", socketFolder };
  await writeFile(noteOf(dataDir), JSON.stringify(owner), { flag: "wx", mode: 0o600 }).catch((cause) => {
    throw new EmbeddedPostgresError("InUse", `${dataDir} is being started by another process`, { cause });
  });
}

export async function giveUpOwnership(dataDir: string): Promise<void> {
  await rm(noteOf(dataDir), { force: true });
}

/** Did the process that ran this cluster end without stopping it? */
export async function wasAbandoned(dataDir: string): Promise<boolean> {
  const noted = await access(noteOf(dataDir)).then(
    () => true,
    () => false,
  );
  return noted && (await liveOwner(dataDir)) === undefined;
}

/** The noted process if it still lives. Its start time is compared too, because process ids are used again. */
export async function liveOwner(dataDir: string): Promise<Owner | undefined> {
  const note = await readFile(noteOf(dataDir), "utf8").catch(() => undefined);
  if (note === undefined) return undefined;
  const owner = JSON.parse(note) as Owner;
  return isAlive(owner.pid) && (startTime(owner.pid) ?? "") === owner.started ? owner : undefined;
}
