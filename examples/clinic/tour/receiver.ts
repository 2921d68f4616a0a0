/** The security team's webhook: takes alerts whose Standard Webhooks signature is right, and hands them on as they arrive. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

export interface ReceivedAlert {
  type: string;
  data: Record<string, unknown>;
}

export interface Receiver {
  url: string;
  /** The first alert with this reason, also one that came before the call; rejects after `within` milliseconds. */
  next(reason: string, within: number): Promise<ReceivedAlert>;
  stop(): Promise<void>;
}

export async function startReceiver(secret: string): Promise<Receiver> {
  const webhook = new Webhook(secret);
  const waiting: ReceivedAlert[] = [];
  let wake = Promise.withResolvers<void>();

  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    try {
      waiting.push(webhook.verify(body, request.headers as Record<string, string>) as ReceivedAlert);
      response.writeHead(204).end();
    } catch {
      response.writeHead(401).end();
    }
    wake.resolve();
    wake = Promise.withResolvers();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  async function next(reason: string, within: number): Promise<ReceivedAlert> {
    const late = AbortSignal.timeout(within);
    for (;;) {
      const found = waiting.findIndex((alert) => alert.data["reason"] === reason);
      const [alert] = found < 0 ? [] : waiting.splice(found, 1);
      if (alert) return alert;
      await Promise.race([wake.promise, once(late, "abort")]);
      if (late.aborted) throw new Error(`no ${reason} alert within ${within} ms`);
    }
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    next,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
