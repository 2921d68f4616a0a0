import { crc32 } from "node:zlib";

/** What a file of the write-ahead log says of itself. */
export interface WalHeader {
  tenant: string;
  journal: string;
  /** `<namespace>/<pod>` that the journal was opened by. */
  pod: string;
  /** Dense from 0 in its journal. */
  number: number;
  /** Seq of the first record that the file can hold. */
  first: number;
  /** u32, random, the same in all files of a journal. */
  salt: number;
}

/** Bytes that the header takes; frames begin behind it. */
export const HEADER_BYTES = 1024;

const MAGIC = Buffer.from("heauthWL", "latin1");
const VERSION = 1;
const PREFIX_BYTES = 20;

/** `magic (8) ‖ u32be version ‖ u32be CRC-32 ‖ u32be length ‖ JSON`, filled up with zeros; the CRC is over the JSON. */
export function encodeHeader(header: WalHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  if (json.length > HEADER_BYTES - PREFIX_BYTES) throw new RangeError("a pod's name is too long");
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(VERSION, 8);
  bytes.writeUInt32BE(crc32(json), 12);
  bytes.writeUInt32BE(json.length, 16);
  json.copy(bytes, PREFIX_BYTES);
  return bytes;
}

/** The reverse; undefined where `bytes` are not a header of this version. */
export function decodeHeader(bytes: Buffer): WalHeader | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(8) !== VERSION) return undefined;
  const end = PREFIX_BYTES + bytes.readUInt32BE(16);
  if (end > HEADER_BYTES) return undefined;
  const json = bytes.subarray(PREFIX_BYTES, end);
  if (crc32(json) !== bytes.readUInt32BE(12)) return undefined;
  return JSON.parse(json.toString()) as WalHeader;
}

const NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{8})\.wal$/;

/** A file's name in the folder: `<journal>-<number>.wal`. */
export function walFileName(journal: string, number: number): string {
  return `${journal}-${String(number).padStart(8, "0")}.wal`;
}

/** The reverse; undefined for every other name. */
export function parseWalFileName(name: string): { journal: string; number: number } | undefined {
  const [, journal, number] = NAME.exec(name) ?? [];
  return journal === undefined ? undefined : { journal, number: Number(number) };
}
