import { readFileSync } from "node:fs";
import { formatHostPort, type HostPort } from "@heauth/program";
import { parse } from "yaml";
import { PartError } from "./errors.ts";

/** What differs between one Envoy and another; the rest is in envoy/bootstrap.yaml. */
export interface EnvoySettings {
  /** Where clients connect; port 0 takes a free one. */
  listen: HostPort;
  /** The app, `http://HOST:PORT`. */
  upstream: URL;
  /** Unix socket of the sidecar's HTTP ext_authz server. */
  sidecarSocket: string;
  /** Unix socket of Envoy's admin interface; Envoy makes it. */
  adminSocket: string;
  /** How long the sidecar may take to answer. */
  authorizerTimeoutMs: number;
}

const TEMPLATE = new URL("../../envoy/bootstrap.yaml", import.meta.url);
/** sockaddr_un.sun_path on Linux, without its final NUL; 103 on the BSDs and macOS. */
const LONGEST_SOCKET_PATH = process.platform === "linux" ? 107 : 103;

/** The body of an answer when the sidecar cannot be asked. */
const sidecarAway = {
  type: "https://heauth.io/problems/SidecarUnavailable",
  title: "Service unavailable",
  status: 503,
  code: "SidecarUnavailable",
};

/** Envoy's bootstrap configuration as JSON. Throws `NotSupported` for an upstream that is not plain HTTP. */
export function envoyBootstrap(settings: EnvoySettings): string {
  const { upstream } = settings;
  if (
    upstream.protocol !== "http:" ||
    upstream.pathname !== "/" ||
    upstream.search !== "" ||
    upstream.username !== ""
  ) {
    throw new PartError(
      "NotSupported",
      `upstream ${upstream.origin} must be http://HOST:PORT, such as http://127.0.0.1:3000`,
    );
  }
  const values: Record<string, unknown> = {
    adminSocket: socketPath(settings.adminSocket),
    sidecarSocket: socketPath(settings.sidecarSocket),
    listenHost: settings.listen.host,
    listenPort: settings.listen.port,
    appHost: upstream.hostname.replace(/^\[|\]$/g, ""),
    appPort: Number(upstream.port || 80),
    authorizerTimeout: seconds(settings.authorizerTimeoutMs),
    sidecarAway,
  };
  return JSON.stringify(filledIn(parse(readFileSync(TEMPLATE, "utf8")), values));
}

/** Values replace whole strings of the parsed template: nothing in them can change its structure. */
function filledIn(node: unknown, values: Record<string, unknown>): unknown {
  if (typeof node === "string") {
    const name = /^\$\{(\w+)\}$/.exec(node)?.[1];
    if (name === undefined) return node;
    if (!Object.hasOwn(values, name)) throw new PartError("EnvoyFailed", `envoy/bootstrap.yaml asks for ${node}`);
    return values[name];
  }
  if (Array.isArray(node)) return node.map((item) => filledIn(item, values));
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, filledIn(inner, values)]));
}

/** A protobuf duration. */
function seconds(ms: number): string {
  return `${ms / 1000}s`;
}

function socketPath(path: string): string {
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  throw new PartError("PathTooLong", `${path} is too long for a unix socket: at most ${LONGEST_SOCKET_PATH} bytes`);
}

/** `http://HOST:PORT` of a listener. */
export function listenerUrl(address: HostPort): string {
  return `http://${formatHostPort(address)}`;
}
