import type { FastifyRequest } from "fastify";

const USER_AGENT_MAX = 512;
/** How a socket that takes both shows an IPv4 address. */
const V4_IN_V6 = /^::ffff:(?=\d+\.)/;

/** Where a request came from, for records and sessions. */
export interface Origin {
  readonly peer: string;
  readonly userAgent?: string;
}

/** The peer's address (the client's, where proxies in front are trusted) and what it says it is. */
export function originOf(request: FastifyRequest): Origin {
  const userAgent = request.headers["user-agent"]?.slice(0, USER_AGENT_MAX);
  return { peer: request.ip.replace(V4_IN_V6, ""), ...(userAgent !== undefined && { userAgent }) };
}
