import { SidecarError } from "../errors.ts";
import { filledIn } from "./template.ts";

/** The body of an answer when the sidecar cannot be asked. */
const sidecarAway = {
  type: "https://heauth.io/problems/SidecarUnavailable",
  title: "Service unavailable",
  status: 503,
  code: "SidecarUnavailable",
};

/** The filter that puts each request to the sidecar, and what is allowed to the cluster `app`. `timeoutMs`: how long the sidecar may take. */
export function httpFilter({ timeoutMs }: { readonly timeoutMs: number }): unknown {
  return filledIn("http", { authorizerTimeout: `${timeoutMs / 1000}s`, sidecarAway });
}

/** The cluster that is asked, by the unix socket of the sidecar's HTTP ext_authz server. */
export function sidecarCluster({ socket }: { readonly socket: string }): unknown {
  return filledIn("sidecar-cluster", { sidecarSocket: socketPath(socket) });
}

/** sockaddr_un.sun_path on Linux, without its final NUL; 103 on the BSDs and macOS. */
const LONGEST_SOCKET_PATH = process.platform === "linux" ? 107 : 103;

/**
 * The path, where a unix socket can have it.
 * @throws SidecarError PathTooLong
 */
export function socketPath(path: string): string {
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  throw new SidecarError("PathTooLong", `${path} is too long for a unix socket: at most ${LONGEST_SOCKET_PATH} bytes`);
}
