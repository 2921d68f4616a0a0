import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo, ListenOptions, Socket } from "node:net";

/** A request as a server saw it. */
export interface SeenRequest {
  method: string;
  path: string;
  /** Names in the order and number in which they came. */
  headers: [name: string, value: string][];
  body: string;
}

/** What to answer. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A server that remembers every request and answers as it is told. */
export interface RecordingServer {
  seen: SeenRequest[];
  answer: (request: SeenRequest) => Answer | Promise<Answer>;
  port(): number;
  listen(): Promise<void>;
  close(): Promise<void>;
}

export function createRecordingServer(where: ListenOptions, answer: RecordingServer["answer"]): RecordingServer {
  const sockets = new Set<Socket>();
  const handle: RequestListener = async (request, response) => {
    const seen = await read(request);
    recorder.seen.push(seen);
    const { status, headers = {}, body = "" } = await recorder.answer(seen);
    response.writeHead(status, headers).end(body);
  };
  const server = createServer(
    { keepAliveTimeout: 60_000, maxHeaderSize: 128 * 1024 },
    (request, response) => void handle(request, response),
  );
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  const recorder: RecordingServer = {
    seen: [],
    answer,
    port: () => (server.address() as AddressInfo).port,
    async listen() {
      server.listen(where);
      await once(server, "listening");
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
  return recorder;
}

async function read(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, index): [string, string] => [
    (request.rawHeaders[index * 2] ?? "").toLowerCase(),
    request.rawHeaders[index * 2 + 1] ?? "",
  ]);
  return { method: request.method ?? "", path: request.url ?? "", headers, body: Buffer.concat(chunks).toString() };
}

/** All values of a header, in their order. */
export function values(request: SeenRequest | undefined, name: string): string[] {
  return (request?.headers ?? []).filter(([header]) => header === name).map(([, value]) => value);
}
