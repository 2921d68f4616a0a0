import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// sockaddr_un.sun_path is 108 bytes on Linux, 104 on the BSDs, with the final NUL.
const LONGEST = 103;
const SOCKET = "/.s.PGSQL.5432";

/** The folder through which clients reach the socket in `dataDir`: itself, or a short link where its path is too long. */
export class SocketFolder {
  readonly #dataDir: string;
  #link: string | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** @returns the same path for the life of the object, so that a connection string survives a restart */
  async open(): Promise<string> {
    if (Buffer.byteLength(this.#dataDir + SOCKET) <= LONGEST) return this.#dataDir;
    if (this.#link === undefined) this.#link = await mkdtemp(join(tmpdir(), "heauth-pg-"));
    else await mkdir(this.#link, { mode: 0o700 });
    await symlink(this.#dataDir, join(this.#link, "d"));
    return join(this.#link, "d");
  }

  async close(): Promise<void> {
    if (this.#link !== undefined) await rm(this.#link, { recursive: true, force: true });
  }
}
