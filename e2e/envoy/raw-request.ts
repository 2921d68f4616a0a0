import { connect } from "node:net";

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Sends a request byte for byte (a client library would tidy it up) and reads the answer to its end. The head's lines stand
 * without line ends; `Connection: close` is added unless a line says otherwise.
 */
export async function rawRequest(url: string, lines: string[], body: string | Buffer = ""): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let text = "";
  socket.setTimeout(10_000, () => reject(new Error("no answer within 10 s")));
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    if (isWhole(text)) resolve();
  });
  socket.on("end", resolve).on("error", reject);
  const head = lines.some((line) => /^connection:/i.test(line)) ? lines : [...lines, "Connection: close"];
  socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body as string)]));
  try {
    await promise;
  } finally {
    socket.destroy();
  }
  return parsed(text);
}

/** Envoy keeps a refused connection open for a moment: its length says that the answer is complete. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return end >= 0 && length !== undefined && Buffer.byteLength(text.slice(end + 4)) >= Number(length);
}

function parsed(text: string): RawAnswer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: rest.join("\r\n\r\n") };
}

/** `GET path` with these header lines. */
export function get(url: string, path: string, ...headers: string[]): Promise<RawAnswer> {
  return rawRequest(url, [`GET ${path} HTTP/1.1`, `Host: ${new URL(url).host}`, ...headers]);
}
