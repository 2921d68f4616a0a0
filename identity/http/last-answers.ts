import type { FastifyInstance } from "fastify";

/** Once `leaving` has aborted, each answer asks its caller to come back by a new connection, which somebody else may take. */
export function sayGoodbye(app: FastifyInstance, leaving: AbortSignal): void {
  app.addHook("onSend", async (_, reply) => {
    if (leaving.aborted) reply.header("connection", "close");
  });
}
