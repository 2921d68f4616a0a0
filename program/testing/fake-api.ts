import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FakeRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly socket: Socket;
}

/** An API server that answers as a test says, to make faults that a real one does not make on purpose. */
export interface FakeApi {
  readonly url: string;
  /** Path of a kubeconfig with the token `s3cret-t0ken`. */
  readonly kubeconfig: string;
  /** A folder of its own, removed at the end. */
  readonly folder: string;
  /** What it was asked so far. */
  readonly requests: readonly FakeRequest[];
  answer(how: (request: FakeRequest, response: ServerResponse) => void): void;
  stop(): Promise<void>;
}

export async function startFakeApi(): Promise<FakeApi> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-fake-api-"));
  const requests: FakeRequest[] = [];
  let answer = (_: FakeRequest, response: ServerResponse): void => json(response, {});
  const server = createServer(async (incoming, response) => {
    const { method = "", url: path = "", headers, socket } = incoming;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const request = { method, path, query: new URL(path, "http://api").searchParams, headers, body, socket };
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = join(folder, "config");
  await writeFile(kubeconfig, kubeconfigText(url, { token: "s3cret-t0ken" }));
  return {
    url,
    kubeconfig,
    folder,
    requests,
    answer(how) {
      answer = how;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A kubeconfig of one cluster and one user (YAML is a superset of JSON). */
export function kubeconfigText(server: string, user: object, cluster: object = {}): string {
  return JSON.stringify({
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "clinic" } }],
    clusters: [{ name: "test", cluster: { server, ...cluster } }],
    users: [{ name: "test", user }],
  });
}

export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** `metav1.Status`. */
export function status(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}
