import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./errors.ts";

const run = promisify(execFile);
const OWN_ACCOUNT = "heauth-postgres";

/** The system account that PostgreSQL runs as; absent where this process is no root and PostgreSQL simply runs as the same user. */
export type Account = { uid: number; gid: number };

/**
 * PostgreSQL refuses to run as root, so root lends it an account of its own, made at the first start. Where accounts cannot be made
 * (a read-only /etc), an existing `postgres` account serves.
 *
 * @throws EmbeddedPostgresError `NoAccount`
 */
export async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await idOf(OWN_ACCOUNT);
  if (existing) return existing;
  // Two first starts at once: one of them fails here and finds the other's account below.
  const made = await run("useradd", [
    "--system",
    "--no-create-home",
    "--user-group",
    "--shell",
    "/bin/false",
    OWN_ACCOUNT,
  ]).then(
    () => undefined,
    (error: Error) => error,
  );
  const account = (await idOf(OWN_ACCOUNT)) ?? (await idOf("postgres"));
  if (account) return account;
  throw new EmbeddedPostgresError(
    "NoAccount",
    `PostgreSQL does not run as root, and the account ${OWN_ACCOUNT} could not be made: useradd --system ${OWN_ACCOUNT}`,
    { cause: made },
  );
}

async function idOf(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}
