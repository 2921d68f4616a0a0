import { type FileOperations, fileOperations, type WalHandle } from "../file-operations.ts";

/** The machine's file system, counted, with faults where a test wants them. */
export class FaultyFiles implements FileOperations {
  /** Durable writes so far. */
  writes = 0;
  /** Called before each durable write; what it throws is the write's error, what it waits for holds the write up. */
  beforeWrite: () => void | Promise<void> = () => {};
  /** Called before each write into a file that is being made. */
  beforeAllocation: () => void = () => {};
  /** Called before each read. */
  beforeRead: (position: number) => void = () => {};

  async open(path: string, mode: "Create" | "Durable" | "Read"): Promise<WalHandle> {
    const handle = await fileOperations.open(path, mode);
    return {
      ...handle,
      write: async (bytes, position) => {
        if (mode === "Create") this.beforeAllocation();
        else {
          this.writes++;
          await this.beforeWrite();
        }
        return handle.write(bytes, position);
      },
      read: async (target, position) => {
        this.beforeRead(position);
        return handle.read(target, position);
      },
    };
  }

  /** Called before a file gets another name; what it waits for holds that up. */
  beforeRename: () => void | Promise<void> = () => {};

  async rename(from: string, to: string): Promise<void> {
    await this.beforeRename();
    return fileOperations.rename(from, to);
  }

  readonly remove = fileOperations.remove;
  readonly list = fileOperations.list;
  readonly createFolder = fileOperations.createFolder;
  readonly syncFolder = fileOperations.syncFolder;
  readonly identify = fileOperations.identify;
}

/** An error as the system reports it. */
export function systemError(code: "EIO" | "ENOSPC"): Error {
  return Object.assign(new Error(code), { code });
}
