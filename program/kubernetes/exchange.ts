import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { unlessAborted } from "../deadline.ts";
import type { Access, TlsOptions } from "./access.ts";
import { ClusterError } from "./errors.ts";
import { refusalOf } from "./refusal.ts";

/** Below the API server's own 90 s: a connection that it may be closing is not taken for a request. */
const IDLE_MS = 30_000;
const KEEP_ALIVE_PROBE_MS = 30_000;
/** A refusal is a sentence or two; more than this is not read. */
const MOST_REFUSAL_BYTES = 64 * 1024;

export interface Outgoing {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  /** For people, in errors: `get tenants/acme`. */
  readonly what: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** Sends a request and resolves with the answer's head; rejects with ClusterError, or with the signal's reason. */
export type Exchange = (request: Outgoing, signal: AbortSignal) => Promise<IncomingMessage>;

/** Exchanges over connections that are kept. The agent tells connections apart by certificate and CA, so these may rotate. */
export function createExchange(access: Access): Exchange {
  const connections = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_PROBE_MS, timeout: IDLE_MS };
  const secure = access.server.startsWith("https:");
  const agent = secure ? new https.Agent(connections) : new http.Agent(connections);

  return async (outgoing, signal) => {
    // Files and plugins cannot be told to give up; we can stop waiting for them.
    const { headers, tls } = await unlessAborted(access.credentials(), signal);
    const answer = await answered({ ...outgoing, url: access.server + outgoing.path, headers, tls, agent, signal });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    if (status === 401) access.forget();
    throw refusalOf(outgoing.what, status, answer.headers["retry-after"], await start(answer));
  };
}

interface Addressed extends Outgoing {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  readonly agent: http.Agent;
  readonly signal: AbortSignal;
}

/** A kept connection that the server closed just now is no failure: what may be said twice is said again on another one. */
async function answered(request: Addressed): Promise<IncomingMessage> {
  for (;;) {
    const attempt = begin(request);
    try {
      return await attempt.answer;
    } catch (error) {
      request.signal.throwIfAborted();
      const stale = attempt.sent.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
      if (stale && request.method !== "POST") continue;
      throw unreachable(request, error);
    }
  }
}

function begin({ url, method, headers, tls, agent, signal, body, contentType = "application/json" }: Addressed) {
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const { promise: answer, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = (url.startsWith("https:") ? https : http).request(url, {
    method,
    agent,
    signal,
    ...tls,
    headers: {
      accept: "application/json",
      "user-agent": "heauth",
      ...(content && { "content-type": contentType, "content-length": content.length }),
      ...headers,
    },
  });
  sent.on("response", resolve);
  sent.on("error", reject);
  sent.end(content);
  return { answer, sent };
}

function unreachable({ what, url }: Addressed, error: unknown): ClusterError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new ClusterError("Unreachable", `${what}: cannot reach ${new URL(url).origin} (${code ?? message})`, {
    cause: error,
  });
}

/** The whole of an answer. */
export async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The beginning of an answer; the connection is given up if there is more. */
async function start(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > MOST_REFUSAL_BYTES) break;
    }
  } catch {
    // The status is told nevertheless.
  }
  return Buffer.concat(chunks).toString();
}
