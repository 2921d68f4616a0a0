import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import { Allocation, isPartName, isSpareName } from "./allocation.ts";
import type { FileOperations } from "./file-operations.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { findLeftovers, type Leftover } from "./leftovers.ts";

export interface WalFolderOptions {
  folder: string;
  files: FileOperations;
  /** Of each file, in bytes. */
  fileSize: number;
  /** Bytes of the disk that the whole folder may take; room for two files at least. */
  quota: number;
  /** After how long a write that has not returned counts as a failure, in ms. */
  hangMs: number;
  /** Told when the disk has no room for the next file. */
  onShortage: (error: unknown) => void;
}

/** The write-ahead log's folder, held by this process. */
export interface WalFolder {
  readonly allocation: Allocation;
  readonly leftovers: readonly Leftover[];
  /** Removes a journal's files, or puts them aside where nothing reads them: then they keep their bytes for an inspection. */
  settle(leftover: Leftover, outcome: "Remove" | "Quarantine"): Promise<void>;
  close(): Promise<void>;
}

const QUARANTINED = ".quarantined";

/** Takes the folder for this process (throws WalLocked), reads what ended ones left, and begins to allocate the first file. */
export async function openWalFolder(options: WalFolderOptions): Promise<WalFolder> {
  const { folder, files, fileSize, quota } = options;
  const maxFiles = Math.floor(quota / fileSize);
  if (maxFiles < 2) throw new SidecarError("WalMisconfigured", "the quota must have room for two files");
  await files.createFolder(folder);
  const lock = await lockFolder(folder, files);
  try {
    const allocation = new Allocation({ ...options, maxFiles });
    const leftovers = await findLeftovers(folder, files);
    for (const { paths } of leftovers) for (const _ of paths) allocation.adopt();
    for (const name of await files.list(folder)) {
      if (isPartName(name)) await files.remove(join(folder, name));
      if (isSpareName(name)) await allocation.adoptSpare(join(folder, name));
    }
    allocation.prepare();
    return walFolder(options, allocation, leftovers, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function walFolder(
  { folder, files }: WalFolderOptions,
  allocation: Allocation,
  leftovers: readonly Leftover[],
  lock: FolderLock,
): WalFolder {
  const unsettled = new Set(leftovers);
  const closeFiles = async (leftover: Leftover) => {
    if (!unsettled.delete(leftover)) return;
    for (const { handle } of leftover.readable) await handle.close();
  };
  return {
    allocation,
    leftovers,
    settle: async (leftover, outcome) => {
      const { paths } = leftover;
      await closeFiles(leftover);
      for (const path of paths) {
        if (outcome === "Remove") await files.remove(path);
        else await files.rename(path, path + QUARANTINED);
        allocation.release();
      }
      await files.syncFolder(folder);
    },
    close: async () => {
      for (const leftover of [...unsettled]) await closeFiles(leftover);
      await allocation.close();
      await lock.release();
    },
  };
}
