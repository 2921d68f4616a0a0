import { createHealth, createLogs } from "@heauth/program";
import { createHealthPort, type HealthPortOptions } from "../health-port.ts";
import { kubeletChecksText } from "../kubelet-checks.ts";

const { log } = createLogs({ program: "test", level: "silent" });

/** A health port on a free port, asked as the kubelet asks. */
export async function startPages(checks: object = {}, more: Partial<HealthPortOptions> = {}) {
  const health = createHealth();
  const server = createHealthPort({
    port: 0,
    checks: kubeletChecksText.parse(JSON.stringify(checks)),
    envoyAdmin: "/nowhere/admin.sock",
    isStarted: () => true,
    health,
    log,
    ...more,
  });
  await server.start();
  const port = Number(new URL(server.url()).port);
  return {
    health,
    port,
    /** The status of a page, asked for at one of the machine's addresses. */
    async status(path: string, { at = "127.0.0.1", method = "GET" } = {}): Promise<number> {
      const host = at.includes(":") ? `[${at}]` : at;
      const response = await fetch(`http://${host}:${port}${path}`, { method, headers: { connection: "close" } });
      await response.arrayBuffer();
      return response.status;
    },
    stop: () => server.stop(AbortSignal.timeout(1_000)),
  };
}
