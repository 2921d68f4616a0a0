import type { ChildProcess } from "node:child_process";
import { chown, lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Account } from "./account.ts";
import { EmbeddedPostgresError } from "./errors.ts";
import { launch } from "./launch.ts";

export const SUPERUSER = "heauth";

/**
 * Makes the cluster unless it is there: SCRAM passwords on every way in, UTF-8, page checksums.
 *
 * @throws EmbeddedPostgresError `InitFailed`
 */
export async function ensureCluster(options: {
  initdb: string;
  dataDir: string;
  password: string;
  durable: boolean;
  account: Account | undefined;
}): Promise<void> {
  const { initdb, dataDir, account } = options;
  if (await exists(join(dataDir, "PG_VERSION"))) return;
  // Made under another name: one that was interrupted never looks like a cluster.
  const fresh = `${dataDir}.new`;
  const passwordFile = `${dataDir}.password`;
  await rm(fresh, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  try {
    await writeFile(passwordFile, options.password, { flag: "wx", mode: 0o600 });
    if (account) for (const path of [fresh, passwordFile]) await chown(path, account.uid, account.gid);
    const flags = ["--auth=scram-sha-256", `--username=${SUPERUSER}`, "--encoding=UTF8", "--data-checksums"];
    const locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
    const program = launch(
      initdb,
      [fresh, passwordFile],
      (data = "", secret = "") => [
        `--pgdata=${data}`,
        `--pwfile=${secret}`,
        ...flags,
        ...locale,
        ...(options.durable ? [] : ["--no-sync"]),
      ],
      account,
    );
    await success(program);
    await rm(dataDir, { recursive: true, force: true });
    await rename(fresh, dataDir);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function success(program: ChildProcess): Promise<void> {
  const said: string[] = [];
  if (program.stderr) createInterface({ input: program.stderr }).on("line", (line) => said.push(line));
  const how = await new Promise<string | number | null>((done) => {
    program.once("error", (error) => done(error.message));
    program.once("close", (code, signal) => done(code ?? signal));
  });
  if (how !== 0) throw new EmbeddedPostgresError("InitFailed", `initdb ended with ${how}: ${said.slice(-3).join(" ")}`);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
