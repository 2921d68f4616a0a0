import type { RequestFacts } from "./evidence.ts";

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const safe = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Whether a request that carries a cookie by itself was made by the app's own pages, or can do no harm.
 * A browser always sends Origin or Sec-Fetch-Site with what changes something; what sends neither is refused. An upgrade counts as
 * a change: a WebSocket is opened with GET.
 */
export function isOwnRequest(request: RequestFacts): boolean {
  if (safe.has(request.method) && !request.upgrade) return true;
  const { origin, secFetchSite } = request;
  if (origin === undefined && secFetchSite === undefined) return false;
  if (secFetchSite !== undefined && secFetchSite !== "same-origin") return false;
  return origin === undefined || isOriginOf(origin, request.host);
}

/** Compares host and port; the scheme in front of the proxy is not known here, so it only gives the default port. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  if (host === undefined || host === "") return false;
  const from = URL.parse(origin);
  if (from === null || (from.protocol !== "https:" && from.protocol !== "http:")) return false;
  return from.host === URL.parse(`${from.protocol}//${host}`)?.host;
}
