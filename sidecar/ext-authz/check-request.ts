import type { IncomingMessage } from "node:http";
import type { CheckRequest } from "../authorize.ts";

/** Envoy puts this before the original path, so that no request of a client's can name another page of ours. */
export const CHECK_PREFIX = "/check";
/** Set by Envoy from the connection; what a client sends under this name has been removed. */
export const PEER_HEADER = "x-heauth-peer";

/** Headers that mean one value; where a client sends two, both are seen, joined: they match nothing, and X-Forwarded-For is a list. */
const single = new Set([
  "host",
  "origin",
  "sec-fetch-site",
  "sec-fetch-mode",
  "upgrade",
  "user-agent",
  "x-forwarded-for",
  "x-request-id",
  PEER_HEADER,
]);

/**
 * What Envoy asks, from its HTTP ext_authz request. Header by header, because Node's own joined view would hide a second
 * `Authorization`. Undefined when it did not come the way Envoy sends it.
 */
export function readCheckRequest({ method, url, rawHeaders }: IncomingMessage): CheckRequest | undefined {
  if (method === undefined || !url?.startsWith(CHECK_PREFIX)) return undefined;
  const authorization: string[] = [];
  const cookie: string[] = [];
  const values: Record<string, string> = {};
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? "";
    const value = rawHeaders[at + 1] ?? "";
    if (name === "authorization") authorization.push(value);
    else if (name === "cookie") cookie.push(value);
    else if (single.has(name)) values[name] = name in values ? `${values[name]}, ${value}` : value;
  }
  return {
    facts: {
      method,
      target: url.slice(CHECK_PREFIX.length),
      host: values["host"],
      origin: values["origin"],
      secFetchSite: values["sec-fetch-site"],
      secFetchMode: values["sec-fetch-mode"],
      upgrade: values["upgrade"],
    },
    credentials: { authorization, cookie },
    requestId: values["x-request-id"],
    peer: values[PEER_HEADER],
    forwardedFor: values["x-forwarded-for"],
    userAgent: values["user-agent"],
  };
}
