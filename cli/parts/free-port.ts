import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below what Linux takes for outgoing connections (from 32768) and Kubernetes for NodePorts (from 30000). */
const [FIRST, END] = [10_000, 30_000];

/**
 * A loopback port that was free a moment ago, for a child that must be told which one to take. It is of a range from which no
 * connection takes its own port by itself, so that it stays free for as long as the child needs, also between two runs.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
