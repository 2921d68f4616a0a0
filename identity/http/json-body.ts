import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { IdentityError } from "../errors.ts";

export const BODY_LIMIT = 64 * 1024;

/** Bodies are JSON in UTF-8, or there is none. */
export function addJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer", bodyLimit: BODY_LIMIT }, (_, body, done) => {
    try {
      done(null, parseBody(body as Buffer));
    } catch (error) {
      done(error as IdentityError);
    }
  });
}

function parseBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) throw new IdentityError("InvalidRequest", { detail: "The body is not UTF-8." });
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    // The cause is left out: it quotes the body.
    throw new IdentityError("InvalidRequest", { detail: "The body is not JSON." });
  }
}
