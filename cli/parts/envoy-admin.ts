import { type HostPort, pause } from "@heauth/program";
import { askEnvoy } from "@heauth/sidecar/listeners";
import { z } from "zod";
import { PartError } from "./errors.ts";

const listeners = z.object({
  listener_statuses: z
    .array(
      z.object({ local_address: z.object({ socket_address: z.object({ address: z.string(), port_value: z.int() }) }) }),
    )
    .default([]),
});

/** Where Envoy listens. Rejects with `EnvoyFailed` as long as it does not serve. */
export async function servingAddress(adminSocket: string, signal: AbortSignal): Promise<HostPort> {
  const ready = await askEnvoy(adminSocket, "/ready", signal);
  if (ready.status !== 200) throw new PartError("EnvoyFailed", `Envoy is not ready: ${ready.body.trim()}`);
  const { body } = await askEnvoy(adminSocket, "/listeners?format=json", signal);
  const address = listeners.parse(JSON.parse(body)).listener_statuses[0]?.local_address.socket_address;
  if (address === undefined) throw new PartError("EnvoyFailed", "Envoy has no listener yet");
  return { host: address.address, port: address.port_value };
}

const LOOK_AGAIN_MS = 25;

/**
 * Takes no new connection (first, because those who are told to go come back at once), tells clients on the old ones
 * to go (`Connection: close`, GOAWAY), and resolves when no request is under way. Rejects when `signal` aborts before, or when
 * Envoy cannot be asked.
 */
export async function drain(adminSocket: string, signal: AbortSignal): Promise<void> {
  for (const path of ["/drain_listeners", "/healthcheck/fail"]) {
    const { status, body } = await askEnvoy(adminSocket, path, signal, "POST");
    if (status !== 200) throw new PartError("EnvoyFailed", `Envoy answers ${status} to ${path}: ${body.trim()}`);
  }
  // Envoy tells of no event.
  while ((await requestsUnderWay(adminSocket, signal)) > 0) await pause(LOOK_AGAIN_MS, signal);
}

async function requestsUnderWay(adminSocket: string, signal: AbortSignal): Promise<number> {
  const { body } = await askEnvoy(adminSocket, "/stats?filter=^http.heauth.downstream_rq_active$", signal);
  return Number(/: (\d+)/.exec(body)?.[1] ?? 0);
}
