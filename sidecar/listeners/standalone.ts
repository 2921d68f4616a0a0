import { httpFilter, sidecarCluster, socketPath } from "./pieces.ts";
import { filledIn } from "./template.ts";

export interface StandaloneBootstrap {
  /** Where clients connect; port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly app: { readonly host: string; readonly port: number };
  /** Unix socket of the sidecar's HTTP ext_authz server. */
  readonly sidecarSocket: string;
  /** Unix socket of Envoy's admin interface; Envoy makes it. */
  readonly adminSocket: string;
  /** How long the sidecar may take to answer. */
  readonly authorizerTimeoutMs: number;
}

/**
 * The bootstrap configuration, as JSON, of an Envoy in front of one app on the same machine.
 * @throws SidecarError PathTooLong for a socket
 */
export function standaloneBootstrap(settings: StandaloneBootstrap): string {
  return JSON.stringify(
    filledIn("bootstrap", {
      adminSocket: socketPath(settings.adminSocket),
      listenHost: settings.listen.host,
      listenPort: settings.listen.port,
      appHost: settings.app.host,
      appPort: settings.app.port,
      http: httpFilter({ timeoutMs: settings.authorizerTimeoutMs }),
      sidecarCluster: sidecarCluster({ socket: settings.sidecarSocket }),
    }),
  );
}
