import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pause } from "@heauth/program";
import { loginUrl, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { openKeys } from "../../keys/open-keys.ts";
import { freePort } from "../../parts/free-port.ts";

const HEAUTH = fileURLToPath(new URL("../../main.ts", import.meta.url));
const ISSUER = "https://id.test";

/** What `heauth identity` needs: a database with a login of its own, and keys. */
export interface IdentityRig {
  readonly db: TestDatabase;
  readonly folder: string;
  /** Connection string of a login that is a member of heauth_identity, and of nothing else. */
  readonly login: string;
  /** Starts it; ready or not. */
  start(flags?: Record<string, string>): Promise<IdentityProcess>;
  end(): Promise<void>;
}

export interface IdentityProcess {
  readonly child: ChildProcess;
  /** HOST:PORT */
  readonly address: string;
  readonly probes: string;
  /** What it logged so far. */
  readonly log: readonly string[];
  untilReady(): Promise<void>;
  /** Sends SIGTERM; its exit code and signal. */
  stop(): Promise<[number | null, NodeJS.Signals | null]>;
}

export async function identityRig(): Promise<IdentityRig> {
  const db = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), "heauth-identity-"));
  const keys = join(folder, "keys");
  const ledgerKeys = join(folder, "ledger-keys.json");
  await openKeys({ keys, ledgerKeys });
  const name = `identity_${db.url.match(/test_(\w{8})/)?.[1]}`;
  await db.superuser.query(`CREATE ROLE ${name} LOGIN PASSWORD 'pw' NOINHERIT IN ROLE heauth_identity`);
  const login = loginUrl(db.url, name, "pw");
  const started: ChildProcess[] = [];

  return {
    db,
    folder,
    login,
    async start(flags = {}) {
      const [address, probes] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
      const all = {
        database: login,
        "program-key": join(keys, "identity.json"),
        "server-secrets": join(keys, "server-secrets.json"),
        "ledger-keys": ledgerKeys,
        listen: address,
        issuer: ISSUER,
        "tenant-registration": "true",
        probes,
        ...flags,
      };
      const args = Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value]);
      const child = spawn(process.execPath, [HEAUTH, "identity", ...args], { stdio: ["ignore", "ignore", "pipe"] });
      started.push(child);
      const log: string[] = [];
      child.stderr.on("data", (chunk: Buffer) => void log.push(chunk.toString()));
      const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
      return {
        child,
        address,
        probes: `http://${probes}`,
        log,
        async untilReady() {
          for (let tries = 0; !(await isReady(`http://${probes}`)); tries++) {
            if (tries === 400 || child.exitCode !== null) throw new Error(`not ready: ${log.join("")}`);
            await pause(50);
          }
        },
        stop() {
          child.kill("SIGTERM");
          return exit;
        },
      };
    },
    async end() {
      for (const child of started.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      await db.superuser.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
      await db.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function isReady(probes: string): Promise<boolean> {
  return fetch(`${probes}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}
