import { connect } from "node:net";
import type { Finding, Place } from "./finding.ts";
import type { TcpSocket } from "./kubelet-checks.ts";

/** Connects, and hangs up. */
export async function tcpCheck({ port }: TcpSocket, { address }: Place, signal: AbortSignal): Promise<Finding> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const socket = connect({ host: address, port, signal }, () => resolve(undefined)).on("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
