import { adminSocketIn, askEnvoy, type EnvoyAnswer } from "../listeners/envoy-admin.ts";
import { DRAIN_PATH, drainSocket, type Unshipped } from "./names.ts";

/** What Envoy's clients have under way. */
export interface UnderWay {
  readonly requests: number;
  readonly connections: number;
}

/**
 * Tells the sidecar that its pod goes, as often as one likes. Rejects when it can't be reached, or answers otherwise.
 *
 * @param podEnvoy folder of Envoy's configuration
 */
export async function drainSidecar(podEnvoy: string, signal: AbortSignal): Promise<Unshipped> {
  return JSON.parse(good(await askEnvoy(drainSocket(podEnvoy), DRAIN_PATH, signal, "POST")).body);
}

/** Nothing is under way where there is no Envoy, or not any more. Rejects when it does not answer, or otherwise. */
export async function underWay(podEnvoy: string, signal: AbortSignal): Promise<UnderWay> {
  const path = "/stats?filter=^http.heauth.downstream_(cx|rq)_active$";
  try {
    const { body } = good(await askEnvoy(adminSocketIn(podEnvoy), path, signal));
    return { requests: gauge(body, "downstream_rq_active"), connections: gauge(body, "downstream_cx_active") };
  } catch (error) {
    if (isAway(error)) return { requests: 0, connections: 0 };
    throw error;
  }
}

function good(answer: EnvoyAnswer): EnvoyAnswer {
  if (answer.status === 200) return answer;
  throw new Error(`answers ${answer.status}`);
}

function gauge(stats: string, name: string): number {
  return Number(new RegExp(`\\.${name}: (\\d+)`).exec(stats)?.[1] ?? 0);
}

function isAway(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ECONNREFUSED" || code === "ECONNRESET";
}
