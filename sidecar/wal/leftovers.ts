import { join } from "node:path";
import type { FileOperations } from "./file-operations.ts";
import { decodeHeader, HEADER_BYTES, parseWalFileName, type WalHeader, walFileName } from "./header.ts";
import { type ScannedFile, scanFile } from "./scan.ts";
import type { WalFile } from "./wal-file.ts";

/** What an ended process left of a journal. */
export interface Leftover {
  journal: string;
  /** Undefined where no file's header can be read: then there is nothing to ship either. */
  owner: { tenant: string; pod: string } | undefined;
  /** The files whose good batches follow one another without a break, oldest first. */
  readable: WalFile[];
  /** All of its files. */
  paths: string[];
  /** Seq of the first readable record, and the one behind the last. */
  first: number;
  next: number;
  /** The last readable record's bytes, where there is one. */
  last: Uint8Array | undefined;
  /** A readable record was let through before it was durable. */
  bestEffort: boolean;
  /** Set where more than a torn tail is bad; `beyond` is the seq behind the newest record known of, where one is. */
  corruption: { beyond: number | undefined } | undefined;
  /** Bytes that it takes on the disk. */
  size: number;
}

/** Reads what ended processes left in the folder. Changes nothing there. */
export async function findLeftovers(folder: string, files: FileOperations): Promise<Leftover[]> {
  const journals = new Map<string, number[]>();
  for (const name of await files.list(folder)) {
    const parsed = parseWalFileName(name);
    if (parsed === undefined) continue;
    journals.set(parsed.journal, [...(journals.get(parsed.journal) ?? []), parsed.number]);
  }
  const leftovers: Leftover[] = [];
  for (const [journal, numbers] of journals) {
    const names = numbers.toSorted((a, b) => a - b).map((number) => join(folder, walFileName(journal, number)));
    leftovers.push(await readLeftover(journal, names, files));
  }
  return leftovers.toSorted((a, b) => (a.journal < b.journal ? -1 : 1));
}

interface OpenedFile {
  file: WalFile;
  scan: ScannedFile;
}

async function readLeftover(journal: string, paths: string[], files: FileOperations): Promise<Leftover> {
  const leftover: Leftover = {
    journal,
    owner: undefined,
    readable: [],
    paths,
    first: 0,
    next: 0,
    last: undefined,
    bestEffort: false,
    corruption: undefined,
    size: 0,
  };
  for (const path of paths) {
    const { opened, size } = await openFile(path, journal, files);
    leftover.size += size;
    addFile(leftover, opened);
  }
  return leftover;
}

function addFile(leftover: Leftover, opened: OpenedFile | undefined): void {
  const header = opened?.file.header;
  if (opened === undefined || header === undefined) {
    leftover.corruption ??= { beyond: undefined };
    return;
  }
  leftover.owner ??= { tenant: header.tenant, pod: header.pod };
  const { file, scan } = opened;
  const isFirst = leftover.readable.length === 0;
  if (leftover.corruption === undefined && (isFirst || header.first === leftover.next)) {
    leftover.readable.push(file);
    if (isFirst) leftover.first = header.first;
    leftover.next = scan.next;
    leftover.last = scan.last ?? leftover.last;
    leftover.bestEffort ||= scan.bestEffort;
    if (scan.beyond !== undefined) leftover.corruption = { beyond: scan.beyond };
    return;
  }
  // Records before this file's are missing: it cannot be shipped, but it tells how far the journal had come.
  const beyond = Math.max(leftover.corruption?.beyond ?? 0, scan.beyond ?? scan.next);
  leftover.corruption = { beyond };
}

async function openFile(
  path: string,
  journal: string,
  files: FileOperations,
): Promise<{ opened: OpenedFile | undefined; size: number }> {
  const handle = await files.open(path, "Read");
  const { size } = await handle.stat();
  const bytes = Buffer.alloc(HEADER_BYTES);
  const length = await handle.read(bytes, 0);
  const header: WalHeader | undefined = decodeHeader(bytes.subarray(0, length));
  if (header?.journal !== journal) {
    await handle.close();
    return { opened: undefined, size };
  }
  const scan = await scanFile(handle, size, header.first, header.salt);
  return { opened: { file: { path, handle, header, size, end: scan.end, next: scan.next }, scan }, size };
}
