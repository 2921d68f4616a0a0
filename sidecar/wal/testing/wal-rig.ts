import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWalFolder, type WalFolder } from "../folder.ts";
import { findLeftovers, type Leftover } from "../leftovers.ts";
import { LogReader } from "../log-reader.ts";
import type { StoredRecord } from "../stored-record.ts";
import { type UnacknowledgedBatch, WriteAheadLog } from "../write-ahead-log.ts";
import { FaultyFiles } from "./faulty-files.ts";

const FILE_SIZE = 256 * 1024;

export const journalId = "01920000-0000-7000-8000-00000000000a";
const tenant = "01920000-0000-7000-8000-000000000001";

/** A record like no other, of about `size` bytes. */
export function record(seq: number, size = 300): StoredRecord {
  return { record: Buffer.from(`record ${seq} `.padEnd(size, "x")), private: Buffer.from(`private ${seq}`) };
}

/** A write-ahead log on a folder of its own. */
export class WalRig {
  readonly files = new FaultyFiles();
  readonly folder: string;
  readonly failures: { error: Error; unacknowledged: UnacknowledgedBatch[] }[] = [];
  readonly failed = Promise.withResolvers<void>();
  shortages = 0;
  opened: WalFolder | undefined;
  wal: WriteAheadLog | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<WalRig> {
    return new WalRig(await mkdtemp(join(tmpdir(), "heauth-wal-")));
  }

  async begin(
    some: { journal?: string; quota?: number; hangMs?: number; waitMs?: number } = {},
  ): Promise<WriteAheadLog> {
    const { journal = journalId, quota = 16 * FILE_SIZE, hangMs = 5000, waitMs = 5000 } = some;
    this.opened ??= await openWalFolder({
      folder: this.folder,
      files: this.files,
      fileSize: FILE_SIZE,
      quota,
      hangMs,
      onShortage: () => void this.shortages++,
    });
    const { allocation } = this.opened;
    const header = {
      tenant,
      journal,
      pod: "shop/web-1",
      number: 0,
      first: 0,
      salt: Number.parseInt(journal.slice(-4), 16),
    };
    this.wal = new WriteAheadLog(
      {
        allocation,
        waitMs,
        hangMs,
        onCommitted: () => {},
        onFailed: (error, unacknowledged) => {
          this.failures.push({ error, unacknowledged });
          this.failed.resolve();
        },
      },
      await allocation.take(header),
    );
    return this.wal;
  }

  async close(): Promise<void> {
    await this.wal?.close(false);
    await this.opened?.close();
    this.wal = undefined;
    this.opened = undefined;
  }

  async end(): Promise<void> {
    await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Everything readable that ended processes left in a folder, as text. */
export async function recovered(
  folder: string,
  files = new FaultyFiles(),
): Promise<{ leftover: Leftover; texts: string[] } | undefined> {
  const [leftover] = await findLeftovers(folder, files);
  if (leftover === undefined) return undefined;
  const reader = new LogReader(() => leftover.readable, leftover.first);
  const texts: string[] = [];
  for (;;) {
    const records = await reader.read(1000);
    if (records.length === 0) break;
    texts.push(...records.map((one) => Buffer.from(one.record).toString().trimEnd()));
  }
  for (const { handle } of leftover.readable) await handle.close();
  return { leftover, texts };
}
