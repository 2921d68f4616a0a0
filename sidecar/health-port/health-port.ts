import type { IncomingMessage, ServerResponse } from "node:http";
import {
  answer,
  answerProblem,
  createPageServer,
  type Health,
  type Logger,
  type Page,
  type PageServer,
} from "@heauth/program";
import { askEnvoy } from "../listeners/index.ts";
import type { Place } from "./finding.ts";
import { checkOf, type KubeletCheck, type KubeletChecks } from "./kubelet-checks.ts";
import { createPerformances } from "./performances.ts";

const PROBE = "/probe/";
/** Below the kubelet's own 3 s. */
const ENVOY_WITHIN_MS = 2_000;
const V4_IN_V6 = /^::ffff:(?=\d+\.)/;

export interface HealthPortOptions {
  readonly port: number;
  readonly checks: KubeletChecks;
  /** Unix socket of Envoy's admin interface. */
  readonly envoyAdmin: string;
  /** Whether everything that Envoy needs is there. */
  readonly isStarted: () => boolean;
  readonly health: Health;
  readonly log: Logger;
}

/**
 * The one port of the sidecar's that the whole cluster reaches, for the kubelet: `/startupz`, `/healthz`, `/readyz`, `/readyz/envoy` and
 * `/probe/<container>/<kind>`. Nothing here changes anything, but for the hooks that the pod itself names.
 */
export function createHealthPort(options: HealthPortOptions): PageServer {
  const { port, checks, envoyAdmin, isStarted, health, log } = options;
  const performances = createPerformances({ log });

  const pages: Readonly<Record<string, Page>> = {
    "/startupz": (_request, response) => answerState(response, isStarted(), "NotStarted", "The sidecar is starting"),
    "/readyz/envoy": async (_request, response) =>
      answerState(response, await isEnvoyReady(envoyAdmin), "EnvoyNotReady", "Envoy is not ready"),
  };

  function checkPage(key: string, check: KubeletCheck): Page {
    return async (request, response) => {
      const failed = (await performances.outcome(key, check, placeOf(request))) !== undefined;
      // To the kubelet every answer says that a hook went well.
      if (failed && check.isHook) request.socket.destroy();
      else answerState(response, !failed, "CheckFailed", "The app fails the check");
    };
  }

  const server = createPageServer({
    name: "health port",
    listen: { port },
    health,
    log,
    pageAt(path) {
      if (Object.hasOwn(pages, path)) return pages[path];
      const key = path.startsWith(PROBE) ? path.slice(PROBE.length) : "";
      const check = checkOf(checks, key);
      return check && checkPage(key, check);
    },
  });
  return {
    ...server,
    async stop(deadline) {
      performances.end();
      await server.stop(deadline);
    },
  };
}

/**
 * The app is asked where we were: the kubelet takes the same address of the pod for us as it would take for the app. So an app is up or down
 * exactly where it would be for the kubelet, whichever of its addresses it listens on.
 */
function placeOf({ socket: { localAddress = "", localPort = 0 } }: IncomingMessage): Place {
  return { address: localAddress.replace(V4_IN_V6, ""), healthPort: localPort };
}

async function isEnvoyReady(adminSocket: string): Promise<boolean> {
  try {
    return (await askEnvoy(adminSocket, "/ready", AbortSignal.timeout(ENVOY_WITHIN_MS))).status === 200;
  } catch {
    return false; // there is none, or it hangs
  }
}

function answerState(response: ServerResponse, isWell: boolean, code: string, title: string): void {
  if (isWell) answer(response, 200, "text/plain; charset=utf-8", "ok\n");
  else answerProblem(response, 503, code, title);
}
