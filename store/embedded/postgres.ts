import type { ChildProcess } from "node:child_process";
import { chmod, chown, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { unprivilegedAccount } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { ensureCluster, SUPERUSER } from "./cluster.ts";
import { EmbeddedPostgresError } from "./errors.ts";
import { giveUpOwnership, liveOwner, takeOwnership } from "./owner.ts";
import { readOrMakePassword, readPassword } from "./password.ts";
import { endLeftover, serverPid } from "./processes.ts";
import { startServer, stopServer } from "./server.ts";
import { SocketFolder } from "./socket.ts";

export type EmbeddedOptions = {
  /** The cluster's folder; made when absent. Belongs to the server's account, mode 0700, and holds the socket too. */
  dataDir: string;
  /** Holds the superuser's password, mode 0600; made when absent. Keep it outside `dataDir`. */
  passwordFile: string;
  /** false: no fsync, for unit tests only, because a power cut then loses the cluster. Default true. */
  durable?: boolean;
  /** Server settings, e.g. `{max_connections: "200"}`. */
  settings?: Record<string, string>;
  /** Gets the lines that the server logs. */
  log?: (line: string) => void;
  /** Called when the server ends without `stop()`. */
  onExit?: (how: string) => void;
};

const UNDURABLE = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

/**
 * A PostgreSQL server of one's own: real, durable, reached through a unix socket with a password (SCRAM). As root it runs under an
 * unprivileged account; no folder above `dataDir` needs to be open to that account. What a crashed run left behind is ended first.
 */
export class EmbeddedPostgres {
  readonly #options: EmbeddedOptions;
  readonly #dataDir: string;
  readonly #socket: SocketFolder;
  #password = "";
  #socketFolder = "";
  #server: ChildProcess | undefined;
  #owned = false;
  #stopping = false;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#dataDir = resolve(options.dataDir);
    this.#socket = new SocketFolder(this.#dataDir);
  }

  /** The superuser's connection string, the same across restarts. After the first `start()`. */
  url(database = "postgres"): string {
    return urlOf(this.#socketFolder, this.#password, database);
  }

  /** The server's process id while it runs. */
  get pid(): number | undefined {
    return this.#server?.pid;
  }

  /** @throws EmbeddedPostgresError */
  async start(): Promise<void> {
    if (this.#server) throw new EmbeddedPostgresError("InUse", "this server is running already");
    const { durable = true, passwordFile, settings, log = () => {} } = this.#options;
    const account = await unprivilegedAccount();
    const { initdb, postgres } = await findBinaries(account);
    await mkdir(dirname(this.#dataDir), { recursive: true, mode: 0o700 });
    this.#socketFolder = await this.#socket.open();
    await takeOwnership(this.#dataDir, this.#socketFolder);
    this.#owned = true;
    await endLeftover(this.#dataDir);
    this.#password = await readOrMakePassword(passwordFile);
    await ensureCluster({ initdb, dataDir: this.#dataDir, password: this.#password, durable, account });
    if (account) await chown(this.#dataDir, account.uid, account.gid);
    await chmod(this.#dataDir, 0o700);
    const server = await startServer({
      postgres,
      dataDir: this.#dataDir,
      settings: { listen_addresses: "", unix_socket_directories: ".", ...(durable ? {} : UNDURABLE), ...settings },
      account,
      log,
    });
    server.once("exit", (code, signal) => this.#exited(`${code ?? signal}`));
    this.#server = server;
  }

  /** Ends the server and waits for it. It can be started again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#server) await stopServer(this.#server);
    this.#server = undefined;
    this.#stopping = false;
    if (this.#owned) await giveUpOwnership(this.#dataDir);
    this.#owned = false;
    await this.#socket.close();
  }

  #exited(how: string): void {
    this.#server = undefined;
    if (!this.#stopping) this.#options.onExit?.(how);
  }
}

/** Connection string of a server that another live process has started on `dataDir`; absent when none runs. */
export async function runningUrl(
  options: { dataDir: string; passwordFile: string },
  database = "postgres",
): Promise<string | undefined> {
  const dataDir = resolve(options.dataDir);
  const owner = await liveOwner(dataDir);
  if (!owner || (await serverPid(dataDir)) === undefined) return undefined;
  return urlOf(owner.socketFolder, await readPassword(options.passwordFile), database);
}

function urlOf(socketFolder: string, password: string, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@/${database}?host=${encodeURIComponent(socketFolder)}`;
}
