import type { IncomingMessage } from "node:http";
import { uuidv7 } from "@heauth/program";
import type { FastifyInstance } from "fastify";
import type { IdentityConfig } from "../config.ts";
import { IdentityError } from "../errors.ts";
import { headerValues } from "./header-values.ts";

const valid = /^[\x21-\x7e]{1,128}$/;

/** The request's own id if it brings a usable one, else a new one. */
export function requestId(request: IncomingMessage): string {
  const [given, ...more] = headerValues(request, "x-request-id");
  return given !== undefined && more.length === 0 && valid.test(given) ? given : uuidv7();
}

/** Gives the id back in every answer, and refuses requests whose own is unusable or, where it is required, missing. */
export function addRequestIds(app: FastifyInstance, requestIds: IdentityConfig["requestIds"]): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    const given = headerValues(request.raw, "x-request-id");
    if (given.length === 0 && requestIds === "Required" && request.routeOptions.config.probe !== true) {
      throw new IdentityError("RequestIdMissing");
    }
    if (given.length > 0 && (given.length > 1 || given[0] !== request.id)) throw new IdentityError("InvalidRequestId");
  });
}
