import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";

/** An open file of the write-ahead log. */
export interface WalHandle {
  /** Writes all of `bytes` at `position`; on a handle opened `Durable` they are on the disk when this resolves. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Reads into `target` from `position`, as much as there is; answers the number of bytes read. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Waits until what was written is on the disk. */
  sync(): Promise<void>;
  /** Size in bytes, and the number of names that the file still has. */
  stat(): Promise<{ size: number; links: number }>;
  close(): Promise<void>;
}

/** `Create` a file that must not exist; open one so that writes are `Durable` when they return; only `Read`. */
export type OpenMode = "Create" | "Durable" | "Read";

/** All that the write-ahead log does with the file system; tests put faults in here. */
export interface FileOperations {
  open(path: string, mode: OpenMode): Promise<WalHandle>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  list(folder: string): Promise<string[]>;
  createFolder(folder: string): Promise<void>;
  /** Makes names created, renamed or removed in the folder survive a power cut. */
  syncFolder(folder: string): Promise<void>;
  /** What names a folder on this machine, whatever path leads to it. */
  identify(folder: string): Promise<string>;
}

const flags: Record<OpenMode, number> = {
  Create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  Durable: constants.O_RDWR | constants.O_DSYNC,
  Read: constants.O_RDONLY,
};

/** The machine's own file system. Files are readable by their owner only: they hold personal data. */
export const fileOperations: FileOperations = {
  open: async (path, mode) => handleOf(await open(path, flags[mode], 0o600)),
  rename,
  remove: unlink,
  list: (folder) => readdir(folder),
  createFolder: async (folder) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  },
  syncFolder: async (folder) => {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  identify: async (folder) => {
    const { dev, ino } = await stat(folder, { bigint: true });
    return `${dev}-${ino}`;
  },
};

function handleOf(file: FileHandle): WalHandle {
  return {
    write: async (bytes, position) => {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, position);
      if (bytesWritten !== bytes.length) throw new Error(`wrote ${bytesWritten} of ${bytes.length} bytes`);
    },
    read: async (target, position) => {
      let length = 0;
      while (length < target.length) {
        const { bytesRead } = await file.read(target, length, target.length - length, position + length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return length;
    },
    sync: () => file.datasync(),
    stat: async () => {
      const { size, nlink } = await file.stat();
      return { size, links: nlink };
    },
    close: () => file.close(),
  };
}
