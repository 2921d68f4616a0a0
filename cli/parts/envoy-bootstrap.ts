import { formatHostPort, type HostPort } from "@heauth/program";
import { standaloneBootstrap } from "@heauth/sidecar/listeners";
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

/** Envoy's bootstrap configuration as JSON. Throws `NotSupported` for an upstream that is not plain HTTP, `PathTooLong` for a socket. */
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
  const { hostname, port } = upstream;
  return standaloneBootstrap({
    ...settings,
    app: { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) },
  });
}

/** `http://HOST:PORT` of a listener. */
export function listenerUrl(address: HostPort): string {
  return `http://${formatHostPort(address)}`;
}
