import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Finding, Place } from "./finding.ts";
import type { HttpGet } from "./kubelet-checks.ts";

/** As the kubelet counts: the last of them is not followed any further. */
const MAX_REQUESTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What is read of a body, so that an app that writes a short one isn't cut off; nothing of it is looked at. */
const BODY_BYTES = 10 * 1024;
const MAX_HEADER_BYTES = 64 * 1024;
/** Of the connection, which we make ourselves. */
const OURS: ReadonlySet<string> = new Set(["host", "connection", "content-length", "transfer-encoding", "trailer"]);

/** How the kubelet names itself, which apps go by in their logs. */
const AGENTS = { probe: "kube-probe/heauth", hook: "kube-lifecycle/heauth" };

export interface HttpCheckOptions {
  readonly isHook: boolean;
  readonly signal: AbortSignal;
}

/**
 * GETs as the kubelet does (pkg/probe/http): certificates are not verified, redirects are followed on the same host only, and 200 to 399
 * is good. A hook needs an answer, whatever it is.
 */
export async function httpCheck(get: HttpGet, at: Place, { isHook, signal }: HttpCheckOptions): Promise<Finding> {
  const first = new URL(`${get.scheme.toLowerCase()}://${at.address.includes(":") ? `[${at.address}]` : at.address}`);
  first.port = String(get.port);
  const headers = headersOf(get, isHook);
  let host = get.httpHeaders?.find(({ name }) => name.toLowerCase() === "host")?.value;
  let url = first;
  let path = requestTarget(get.path);
  for (let requests = 1; ; requests++) {
    const { status, location } = await ask(
      url,
      path,
      { ...headers, host: [host || (url === first ? `${url.hostname}:${get.port}` : url.host)] },
      signal,
    );
    if (isHook) return undefined;
    if (status < 200 || status >= 400) return `status ${status}`;
    if (location === undefined || !REDIRECTS.has(status)) return undefined;
    const next = URL.parse(location, new URL(path, url).href);
    if (next === null || !/^https?:$/.test(next.protocol)) return "a redirect to no address";
    // Another host is not asked, and nothing is wrong with the app, either.
    if (next.hostname !== first.hostname) return undefined;
    // Our own pages are nobody's app: we would ask ourselves.
    if (portOf(next) === at.healthPort) return "a redirect to the sidecar";
    if (requests === MAX_REQUESTS) return `stopped after ${MAX_REQUESTS} redirects`;
    if (URL.canParse(location)) host = undefined;
    url = next;
    path = `${next.pathname}${next.search}`;
  }
}

function ask(url: URL, path: string, headers: Record<string, string[]>, signal: AbortSignal) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; location: string | undefined }>();
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const request: ClientRequest = send({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: portOf(url),
    path,
    headers,
    signal,
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    rejectUnauthorized: false,
    // The kubelet dials an address, and so names no server.
    servername: "",
  });
  request.on("error", reject);
  request.on("response", (response: IncomingMessage) => {
    resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    discard(response);
  });
  request.end();
  return promise;
}

function discard(response: IncomingMessage): void {
  let length = 0;
  response.on("data", ({ length: more }: Buffer) => {
    length += more;
    if (length > BODY_BYTES) response.destroy();
  });
  response.on("error", () => {}); // what it says counts already
}

function headersOf({ httpHeaders }: HttpGet, isHook: boolean): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const { name, value } of httpHeaders ?? []) {
    const key = name.toLowerCase();
    if (OURS.has(key)) continue;
    headers[key] ??= [];
    headers[key].push(value);
  }
  headers["user-agent"] ??= [AGENTS[isHook ? "hook" : "probe"]];
  headers["accept"] ??= ["*/*"];
  // Empty is how the kubelet is told to send none.
  if (headers["accept"][0] === "") delete headers["accept"];
  return headers;
}

/** The path as it was written, but for what a request can't hold. */
function requestTarget(path: string): string {
  const [target = ""] = path.toWellFormed().split("#", 1);
  const sent = target.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
  return sent.startsWith("/") ? sent : `/${sent}`;
}

function portOf({ port, protocol }: URL): number {
  return Number(port || (protocol === "https:" ? 443 : 80));
}
