import type { CompiledPolicy } from "@heauth/core/policy";
import { PASSTHROUGH_STATS } from "./passthrough-count.ts";
import { httpFilter, sidecarCluster, socketPath } from "./pieces.ts";
import { filledIn } from "./template.ts";

export interface PodBootstrap {
  /** Unix socket of the sidecar's HTTP ext_authz server. */
  readonly sidecarSocket: string;
  /** Unix socket of Envoy's admin interface; Envoy makes it. */
  readonly adminSocket: string;
  /** The file that `podListeners()` is written into. It must be there when Envoy starts. */
  readonly listenersFile: string;
  /** The file that says that the pod goes, once it is there. */
  readonly drainingFile: string;
}

/**
 * The bootstrap configuration, as JSON, of the Envoy in a pod.
 * @throws SidecarError PathTooLong for a socket
 */
export function podBootstrap({ sidecarSocket, adminSocket, ...files }: PodBootstrap): string {
  return JSON.stringify(
    filledIn("pod", {
      adminSocket: socketPath(adminSocket),
      ...files,
      sidecarCluster: sidecarCluster({ socket: sidecarSocket }),
    }),
  );
}

/** The version of listeners that are of no policy that is in force. */
export const NO_POLICY = "none";

export interface PodListeners {
  /** Where `heauth redirect` sends every inbound TCP connection. */
  readonly port: number;
  /** Whether the pod has IPv6: what can't be listened on would fail the listener as a whole. */
  readonly ipv6: boolean;
  /** How long the sidecar may take to answer. */
  readonly authorizerTimeoutMs: number;
}

/**
 * Envoy's listeners, as the JSON of an LDS file: one, with a filter chain for each of the policy's ports, and of those that it lets
 * through. Without a policy there is none, and every port is closed.
 *
 * @param policy with its digest, which is the version that Envoy tells of
 */
export function podListeners(
  policy: { readonly compiled: CompiledPolicy; readonly digest: string } | undefined,
  { port, ipv6, authorizerTimeoutMs }: PodListeners,
): string {
  if (policy === undefined) return JSON.stringify({ version_info: NO_POLICY, resources: [] });
  const http = httpFilter({ timeoutMs: authorizerTimeoutMs });
  const listener = filledIn("pod-listener", {
    port,
    additionalAddresses: ipv6 ? [{ address: { socket_address: { address: "::", port_value: port } } }] : [],
    filterChains: [
      ...policy.compiled.ports.map((each) => filledIn("pod-port", { chain: `port-${each}`, port: each, http })),
      ...(policy.compiled.passthroughPorts ?? []).map((each) =>
        filledIn("pod-passthrough", {
          chain: `passthrough-${each}`,
          port: each,
          statPrefix: `${PASSTHROUGH_STATS}${each}`,
        }),
      ),
    ],
  });
  return JSON.stringify({ version_info: policy.digest, resources: [listener] });
}
