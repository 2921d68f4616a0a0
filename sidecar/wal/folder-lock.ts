import { createHash } from "node:crypto";
import { connect, createServer, type Server } from "node:net";
import { SidecarError } from "../errors.ts";
import type { FileOperations } from "./file-operations.ts";

/** Holds a folder for one process. */
export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Takes a folder for this process: throws WalLocked, naming the holder, where a living one has it. The lock is a listening socket in
 * Linux's abstract namespace, named after the folder's device and inode: the kernel lets one process bind it and frees it when
 * that process ends in whatever way, so there is no stale lock to judge by a process id that may be another's by now. It
 * spans a pod's containers (they share a network namespace).
 */
export async function lockFolder(folder: string, files: Pick<FileOperations, "identify">): Promise<FolderLock> {
  if (process.platform !== "linux") throw new SidecarError("WalMisconfigured", "a write-ahead log needs Linux");
  const identity = createHash("sha256")
    .update(await files.identify(folder))
    .digest("hex");
  const path = `\0heauth-wal-${identity.slice(0, 32)}`;
  const server = createServer((socket) => {
    socket.on("error", () => {}); // whoever asked has gone
    // The other containers of a pod may ask too: none of them keeps a socket of ours open by not hanging up.
    socket.end(String(process.pid), () => socket.destroy());
  });
  try {
    await listen(server, path);
  } catch (error) {
    if (!Error.isError(error) || !("code" in error) || error.code !== "EADDRINUSE") throw error;
    const holder = await askHolder(path);
    throw new SidecarError("WalLocked", `the write-ahead log's folder ${folder} is in use by process ${holder}`);
  }
  server.unref();
  return { release: () => new Promise((resolve) => void server.close(() => resolve())) };
}

function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, resolve);
  return promise;
}

/** The holder's process id as it says itself; it may have ended meanwhile. */
function askHolder(path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(path);
  socket.setTimeout(1000, () => socket.destroy());
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    answer += text;
  });
  socket.on("error", () => {}); // "close" follows
  socket.on("close", () => resolve(/^\d{1,10}$/.test(answer) ? answer : "(unknown)"));
  return promise;
}
