import { join } from "node:path";
import type { FileOperations, WalHandle } from "./file-operations.ts";
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

/** A file of a journal as far as it can be read. */
interface FoundFile {
  size: number;
  handle: WalHandle | undefined;
  header: WalHeader | undefined;
  scan: ScannedFile | undefined;
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
    const found = await readFile(path, journal, files);
    leftover.size += found.size;
    if (!addFile(leftover, path, found)) await found.handle?.close();
  }
  return leftover;
}

/** Answers whether the file's records can be shipped. */
function addFile(leftover: Leftover, path: string, { size, handle, header, scan }: FoundFile): boolean {
  if (header !== undefined) leftover.owner ??= { tenant: header.tenant, pod: header.pod };
  if (handle === undefined || header === undefined || scan === undefined) {
    leftover.corruption ??= { beyond: undefined };
    return false;
  }
  const isFirst = leftover.readable.length === 0;
  if (leftover.corruption !== undefined || !(isFirst || header.first === leftover.next)) {
    // Records before this file's are missing: it cannot be shipped, but it tells how far the journal had come.
    leftover.corruption = { beyond: Math.max(leftover.corruption?.beyond ?? 0, scan.beyond ?? scan.next) };
    return false;
  }
  leftover.readable.push({ path, handle, header, size, end: scan.end, next: scan.next });
  if (isFirst) leftover.first = header.first;
  leftover.next = scan.next;
  leftover.last = scan.last ?? leftover.last;
  leftover.bestEffort ||= scan.bestEffort;
  if (scan.beyond !== undefined) leftover.corruption = { beyond: scan.beyond };
  return true;
}

/** What the disk gives of a file; what it does not give is corruption, not the end of this process. */
async function readFile(path: string, journal: string, files: FileOperations): Promise<FoundFile> {
  const found: FoundFile = { size: 0, handle: undefined, header: undefined, scan: undefined };
  try {
    const handle = await files.open(path, "Read");
    found.handle = handle;
    found.size = (await handle.stat()).size;
    const bytes = Buffer.alloc(HEADER_BYTES);
    const header = decodeHeader(bytes.subarray(0, await handle.read(bytes, 0)));
    if (header?.journal !== journal) return found;
    found.header = header;
    found.scan = await scanFile(handle, found.size, header.first, header.salt);
  } catch (error) {
    if (systemCode(error) !== "EIO") throw error;
  }
  return found;
}

function systemCode(error: unknown): unknown {
  return Error.isError(error) && "code" in error ? error.code : undefined;
}
