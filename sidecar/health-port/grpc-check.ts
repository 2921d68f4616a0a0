import { connect, GrpcHealth, ServingStatus } from "@heauth/protocol";
import type { Finding, Place } from "./finding.ts";
import type { Grpc } from "./kubelet-checks.ts";

const MAX_MESSAGE_BYTES = 4 * 1024;

/** Asks `grpc.health.v1.Health/Check` in the clear, as the kubelet does; only SERVING is good. */
export async function grpcCheck(
  { port, service }: Grpc,
  { address }: Place,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<Finding> {
  const client = connect(GrpcHealth, {
    target: address.includes(":") ? `ipv6:[${address}]:${port}` : `ipv4:${address}:${port}`,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxReconnectMs: deadlineMs,
  });
  try {
    const { status } = await client.call("check", { service: service ?? "" }, { deadlineMs, signal });
    return status === ServingStatus.SERVING ? undefined : "not serving";
  } finally {
    client.close();
  }
}
