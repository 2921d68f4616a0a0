import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { withDeadline } from "@heauth/program";
import { SidecarError } from "../errors.ts";
import type { FileOperations, WalHandle } from "./file-operations.ts";
import { encodeHeader, type WalHeader, walFileName } from "./header.ts";
import { emptyWalFile, type WalFile } from "./wal-file.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;
const RETRY_MS = 1000;

/** A file of written zeros (or of what was acknowledged long ago) under a name that recovery passes over. */
interface SpareFile {
  path: string;
  handle: WalHandle;
}

export interface AllocationOptions {
  folder: string;
  files: FileOperations;
  /** Of each file, in bytes. */
  fileSize: number;
  /** Files that there may be, spare and leftover ones included. */
  maxFiles: number;
  /** After how long a write that has not returned counts as a failure, in ms. */
  hangMs: number;
  /** Told when the disk has no room for the next file (it is tried again). */
  onShortage: (error: unknown) => void;
}

/** Takes disk space ahead: one file is always ready before it is needed, as long as quota and disk allow. */
export class Allocation {
  readonly #options: AllocationOptions;
  #spare: SpareFile | undefined;
  #preparing: Promise<void> | undefined;
  #isTaking = false;
  #files = 0;
  #wanted: PromiseWithResolvers<void>[] = [];
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: AllocationOptions) {
    this.#options = options;
  }

  /** Whether a next file is there, is being made, or is just being taken into use. */
  get isAhead(): boolean {
    return this.#spare !== undefined || this.#preparing !== undefined || this.#isTaking;
  }

  /** Counts in a file that an ended process left. */
  adopt(): void {
    this.#files++;
  }

  /** Takes over a spare file that an ended process left; its bytes are never read as frames of another journal. */
  async adoptSpare(path: string): Promise<void> {
    const { files, fileSize } = this.#options;
    if (this.#spare === undefined) {
      const handle = await files.open(path, "Durable");
      if ((await handle.stat()).size === fileSize) {
        this.#spare = { path, handle };
        this.#files++;
        return;
      }
      await handle.close();
    }
    await files.remove(path);
  }

  /** Makes the next file ready in the background, if there is none and the quota allows one. */
  prepare(): void {
    if (this.#files < this.#options.maxFiles) this.#prepare();
  }

  #prepare(): void {
    if (this.#closed || this.#spare !== undefined || this.#preparing !== undefined || this.#retry !== undefined) return;
    this.#preparing = this.#make()
      .then(() => this.#wake())
      .catch((error: unknown) => {
        this.#options.onShortage(error);
        this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS).unref();
      })
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  /** The next file of a journal, once there is room for it: waits for that as long as it takes. Rejects if the file fails. */
  async take(header: WalHeader): Promise<WalFile> {
    while (this.#spare === undefined) {
      const wanted = Promise.withResolvers<void>();
      this.#wanted.push(wanted);
      // A journal's first file may go beyond the quota: without it nothing that fills the quota could ever be shipped.
      if (header.number === 0) this.#prepare();
      else this.prepare();
      await wanted.promise;
    }
    const spare = this.#spare;
    this.#spare = undefined;
    this.#isTaking = true;
    try {
      const file = await this.#use(spare, header);
      this.prepare();
      return file;
    } finally {
      this.#isTaking = false;
    }
  }

  async #use({ path: from, handle }: SpareFile, header: WalHeader): Promise<WalFile> {
    const { folder, files, fileSize, hangMs } = this.#options;
    const path = join(folder, walFileName(header.journal, header.number));
    try {
      await withDeadline(hangMs, "a header's write", () => handle.write(encodeHeader(header), 0));
      await files.rename(from, path);
      await files.syncFolder(folder);
    } catch (error) {
      // Not waited for: a write that hangs holds its file's close up too.
      handle.close().catch(() => {});
      throw error;
    }
    return emptyWalFile(path, handle, header, fileSize);
  }

  /** Gives back a file of the journal that is being written: it becomes the spare one, or goes. */
  async giveBack(file: WalFile): Promise<void> {
    if (this.#closed || this.#spare !== undefined || this.#preparing !== undefined) return this.discard(file);
    const { folder, files } = this.#options;
    const path = spareName(folder);
    this.#preparing = files
      .rename(file.path, path)
      .then(() => files.syncFolder(folder)) // in order: a file must not come back while one after it is gone
      .then(() => {
        this.#spare = { path, handle: file.handle };
      })
      .finally(() => {
        this.#preparing = undefined;
      });
    await this.#preparing;
    this.#wake();
  }

  /** Removes a file that nobody needs any more and that should not be written again. */
  async discard(file: WalFile): Promise<void> {
    await file.handle.close();
    const { folder, files } = this.#options;
    await files.remove(file.path);
    await files.syncFolder(folder);
    this.release();
  }

  /** Forgets a file that was put aside: it no longer counts. */
  release(): void {
    this.#files--;
    this.#wake();
  }

  /** The spare file stays for the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const { reject } of this.#wanted.splice(0)) reject(new SidecarError("JournalStopped", "the log is closed"));
    await this.#preparing;
    await this.#spare?.handle.close();
  }

  async #make(): Promise<void> {
    const { folder, files } = this.#options;
    const path = spareName(folder);
    const part = path + PART;
    this.#files++;
    try {
      await this.#writeZeros(part);
      await files.rename(part, path);
      await files.syncFolder(folder);
      this.#spare = { path, handle: await files.open(path, "Durable") };
    } catch (error) {
      this.#files--;
      await files.remove(part).catch(() => {}); // it may never have come to be
      throw error;
    }
  }

  async #writeZeros(path: string): Promise<void> {
    const { files, fileSize } = this.#options;
    const handle = await files.open(path, "Create");
    try {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, fileSize));
      for (let offset = 0; offset < fileSize; offset += chunk.length) {
        await handle.write(chunk.subarray(0, fileSize - offset), offset);
        await handle.sync(); // in steps, so that a batch's write never waits behind the whole file
      }
    } finally {
      await handle.close();
    }
  }

  #tryAgain(): void {
    this.#retry = undefined;
    this.prepare();
  }

  #wake(): void {
    for (const { resolve } of this.#wanted.splice(0)) resolve();
  }
}

/** Ends the name of a file that is not whole yet. */
const PART = ".part";
const SPARE = /^spare-[0-9a-f-]{36}\.wal$/;

function spareName(folder: string): string {
  return join(folder, `spare-${randomUUID()}.wal`);
}

/** Whether a name in the folder is a spare file's. */
export function isSpareName(name: string): boolean {
  return SPARE.test(name);
}

/** Whether it is one that was never finished. */
export function isPartName(name: string): boolean {
  return name.endsWith(PART) && isSpareName(name.slice(0, -PART.length));
}
