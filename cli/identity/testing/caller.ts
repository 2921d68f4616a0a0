import { Agent as HttpAgent, request as plainRequest } from "node:http";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import type { PeerCertificate, TLSSocket } from "node:tls";

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at what it expects
  readonly body: any;
  readonly connection: string | undefined;
  /** What the server showed, when it speaks TLS. */
  readonly certificate: PeerCertificate | undefined;
}

/** Asks a server by one connection for as long as that one is kept open. */
export interface Caller {
  ask(path: string, json?: unknown, token?: string): Promise<Answer>;
  end(): void;
}

/** @param ca PEM, of a server that speaks TLS */
export function caller(address: string, ca?: string): Caller {
  const keep = { keepAlive: true, maxSockets: 1 };
  const agent = ca === undefined ? new HttpAgent(keep) : new Agent({ ...keep, ca });
  const [url, send] = ca === undefined ? [`http://${address}`, plainRequest] : [`https://${address}`, request];
  return {
    async ask(path, json, token) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const headers = {
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const asked = send(`${url}${path}`, { method: json === undefined ? "GET" : "POST", agent, headers });
      asked.on("error", reject).on("response", async (response) => {
        const certificate = ca === undefined ? undefined : (response.socket as TLSSocket).getPeerCertificate();
        try {
          const body = JSON.parse(await text(response));
          resolve({ status: response.statusCode ?? 0, body, connection: response.headers.connection, certificate });
        } catch (error) {
          reject(error);
        }
      });
      asked.end(json === undefined ? undefined : JSON.stringify(json));
      return promise;
    },
    end: () => agent.destroy(),
  };
}
