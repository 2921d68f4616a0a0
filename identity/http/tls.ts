import type { Server } from "node:https";
import type { RotatingFiles, ServerCertificate } from "@heauth/program";
import type { FastifyInstance } from "fastify";

/** What callers are shown; it changes when it is renewed. */
export type ChangingCertificate = Pick<RotatingFiles<ServerCertificate>, "current" | "subscribe">;

/** New connections are shown the newest certificate; those that stand go on. */
export function followCertificate(app: FastifyInstance, certificate: ChangingCertificate): void {
  const server = app.server as unknown as Server;
  app.addHook("onClose", async () => stop());
  const stop = certificate.subscribe((now) => server.setSecureContext(tlsOptions(now)));
}

/** As Node's TLS server wants it. */
export function tlsOptions({ certificate, privateKey }: ServerCertificate) {
  return { cert: certificate, key: privateKey, minVersion: "TLSv1.2" } as const;
}
