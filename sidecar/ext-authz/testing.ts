import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Decision } from "@heauth/core/policy";
import { createLogs } from "@heauth/program";
import type { Authorize } from "../authorize.ts";
import { createExtAuthzServer } from "./server.ts";

export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method?: string;
  readonly path?: string;
  /** Name, value, name, value, …: as they stand in the request. */
  readonly headers?: readonly string[];
}

/** The server on a socket of its own, asked the way Envoy asks, over one connection that is kept. */
export async function startAsked(authorize: Authorize, more: { readonly forGroup?: boolean } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "heauth-"));
  const socket = join(folder, "s");
  const lines: string[] = [];
  const { log } = createLogs({
    program: "test",
    level: "info",
    destination: { write: (line) => void lines.push(line) },
  });
  const server = createExtAuthzServer({ socket, authorize, log, ...more });
  await server.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  return {
    socket,
    server,
    /** What it logged. */
    lines,
    async ask({ method = "GET", path = "/check/orders", headers = [] }: Asking = {}): Promise<Told> {
      const asked = request({ socketPath: socket, agent, method, path, headers: ["host", "shop.test", ...headers] });
      asked.end();
      const [response] = await once(asked, "response");
      return { status: response.statusCode, headers: response.headers, body: await text(response) };
    },
    async end() {
      agent.destroy();
      await server.stop(AbortSignal.abort());
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const allowed: Decision = {
  effect: "Allow",
  verdict: "Allow",
  wouldDeny: false,
  status: 200,
  durability: "Local",
  record: true,
  stale: false,
  setHeaders: {},
  removeHeaders: [],
};

export const denied = ({
  status,
  reason,
  ...more
}: Pick<Decision, "status" | "reason"> & Partial<Decision>): Decision => ({
  ...allowed,
  effect: "Deny",
  verdict: "Deny",
  status,
  ...(reason === undefined ? {} : { reason }),
  ...more,
});
