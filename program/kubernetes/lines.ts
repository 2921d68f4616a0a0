import { ClusterError } from "./errors.ts";

/** An object is at most 1.5 MB in etcd; a line far beyond is not the API server's. */
const MOST_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The lines of a byte stream; what follows the last line end is not whole and is dropped. */
export async function* lines(chunks: AsyncIterable<Buffer>, mostBytes = MOST_BYTES): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, to));
      from = to + 1;
      yield Buffer.concat(parts).toString();
      parts = [];
      bytes = 0;
    }
    parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > mostBytes) throw new ClusterError("ServerError", `a line of more than ${mostBytes} bytes`);
  }
}
