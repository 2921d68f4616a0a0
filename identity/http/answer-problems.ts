import type { Socket } from "node:net";
import { asError, type Logger, type ProblemEntry, problemContentType } from "@heauth/program";
import { StoreError } from "@heauth/store";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { IdentityError } from "../errors.ts";
import { problemOf } from "../problems.ts";

/** Seconds until a store that is away is tried again. */
const RETRY_AFTER = 2;

/** Makes every answer that is an error a problem document. What was not expected is logged, and told to nobody else. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
  app.setNotFoundHandler((_, reply) => send(reply, new IdentityError("NotFound")));
}

/** Answers an error as its problem document. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = wasCutOff(request) ? new IdentityError("InvalidRequest", { cause: error }) : identityError(error);
  if (known.code === "Internal") request.log.error({ err: asError(error) }, "request failed");
  else if (known.code === "StoreUnavailable") request.log.warn({ err: asError(error) }, "store unavailable");
  return send(reply, known);
}

/** The client went away, or was sent away for what it sent, in the middle of the body: nobody hears the answer, and nothing failed here. */
function wasCutOff({ raw }: FastifyRequest): boolean {
  return raw.destroyed && !raw.complete;
}

/** What cannot be read as HTTP at all gets a problem document too, and its connection is closed. */
export function answerUnreadable(log: Logger): (error: Error & { code?: string }, socket: Socket) => void {
  return (error, socket) => {
    log.debug({ code: error.code }, "unreadable request");
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const body = JSON.stringify(
      problemOf("InvalidRequest", { detail: "The request is not HTTP, or its head is too long." }),
    );
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  };
}

function send(reply: FastifyReply, { code, detail, errors, retryAfter }: IdentityError): FastifyReply {
  const document = problemOf(code, {
    ...(detail !== undefined && { detail }),
    ...(errors !== undefined && { errors }),
  });
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  if (document.status === 401) reply.header("www-authenticate", 'Bearer realm="heauth"');
  return reply
    .code(document.status)
    .type(problemContentType)
    .serializer((payload: unknown) => payload as string)
    .send(
      JSON.stringify({ ...document, instance: `urn:heauth:request:${encodeURIComponent(String(reply.request.id))}` }),
    );
}

function identityError(error: unknown): IdentityError {
  if (error instanceof IdentityError) return error;
  if (error instanceof StoreError && error.code === "StoreUnavailable") {
    return new IdentityError("StoreUnavailable", { retryAfter: RETRY_AFTER, cause: error });
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new IdentityError("InvalidRequest", { errors: error.validation.map(entryOf) });
  }
  return fastifyError(error as FastifyError);
}

function entryOf({
  instancePath,
  message,
  keyword,
  params,
}: {
  instancePath: string;
  message?: string;
  keyword?: string;
  params?: unknown;
}): ProblemEntry {
  const keys = (params as { keys?: unknown } | undefined)?.keys;
  // Names of unknown fields are the client's own text: counted, not quoted.
  if (keyword === "unrecognized_keys" && Array.isArray(keys))
    return { pointer: instancePath, detail: `has ${keys.length} unknown field(s)` };
  return { pointer: instancePath, detail: message ?? "is not as it must be" };
}

function fastifyError(error: FastifyError): IdentityError {
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new IdentityError("BodyTooLarge");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new IdentityError("UnsupportedMediaType");
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new IdentityError("InvalidRequest", { detail: "The body is not as long as the request says." });
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new IdentityError("InvalidRequest", { detail: "The path can't be read." });
    default:
      return new IdentityError("Internal", { cause: error });
  }
}
