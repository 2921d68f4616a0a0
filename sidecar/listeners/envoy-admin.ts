import { request } from "node:http";
import { join } from "node:path";

export interface EnvoyAnswer {
  readonly status: number;
  readonly body: string;
}

/** Unix socket of the admin interface of a pod's Envoy, in the folder of its configuration. */
export function adminSocketIn(folder: string): string {
  return join(folder, "admin.sock");
}

/**
 * Asks Envoy's admin interface, which changes something only when it is asked to by `POST`. Rejects when it can't be reached, and as soon
 * as `signal` aborts.
 */
export async function askEnvoy(
  adminSocket: string,
  path: string,
  signal: AbortSignal,
  method: "GET" | "POST" = "GET",
): Promise<EnvoyAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<EnvoyAnswer>();
  request({ socketPath: adminSocket, path, method, signal, headers: { connection: "close" } }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    response.on("error", reject);
  })
    .on("error", reject)
    .end();
  return promise;
}
