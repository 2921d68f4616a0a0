import { request } from "node:http";
import type { HostPort } from "@heauth/program";
import { z } from "zod";
import { PartError } from "./errors.ts";

const listeners = z.object({
  listener_statuses: z
    .array(
      z.object({ local_address: z.object({ socket_address: z.object({ address: z.string(), port_value: z.int() }) }) }),
    )
    .default([]),
});

/** `GET path` of Envoy's admin interface. */
async function ask(adminSocket: string, path: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  request({ socketPath: adminSocket, path, signal, headers: { connection: "close" } }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    response.on("error", reject);
  })
    .on("error", reject)
    .end();
  return promise;
}

/** Where Envoy listens. Rejects with `EnvoyFailed` as long as it does not serve. */
export async function servingAddress(adminSocket: string, signal: AbortSignal): Promise<HostPort> {
  const ready = await ask(adminSocket, "/ready", signal);
  if (ready.status !== 200) throw new PartError("EnvoyFailed", `Envoy is not ready: ${ready.body.trim()}`);
  const { body } = await ask(adminSocket, "/listeners?format=json", signal);
  const address = listeners.parse(JSON.parse(body)).listener_statuses[0]?.local_address.socket_address;
  if (address === undefined) throw new PartError("EnvoyFailed", "Envoy has no listener yet");
  return { host: address.address, port: address.port_value };
}
