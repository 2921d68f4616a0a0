import { chmod, lstat, mkdir, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { HubError } from "./errors.ts";

/**
 * Makes way for a unix socket that only its owner can open: a folder of mode 0700, and no socket left by a process that ended.
 * @throws HubError SocketInUse, SocketUnusable
 */
export async function prepareSocket(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { mode, uid } = await stat(folder);
  if (uid !== process.getuid?.()) throw new HubError("SocketUnusable", `${folder} belongs to another user`);
  if ((mode & 0o077) !== 0) await chmod(folder, 0o700);

  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new HubError("SocketUnusable", `${path} is there and is no socket`);
  if (await answers(path)) throw new HubError("SocketInUse", `another hub listens on ${path}`);
  await rm(path, { force: true });
}

/** Leaves the socket to its owner. */
export async function closeToOthers(path: string): Promise<void> {
  await chmod(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}
