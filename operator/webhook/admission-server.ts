import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import {
  asError,
  formatHostPort,
  type HostPort,
  type Logger,
  type Metrics,
  type Part,
  ProgramError,
  problem,
  problemContentType,
} from "@heauth/program";
import fastify, { type FastifyBaseLogger, type FastifyError, type FastifyReply, LogController } from "fastify";
import type { Pair } from "../certificates/pair.ts";
import { OperatorError } from "../errors.ts";

export interface AdmissionServerOptions {
  readonly listen: HostPort;
  /** By path, what answers an AdmissionReview there. */
  readonly reviews: Readonly<Record<string, (body: unknown) => Promise<unknown>>>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Reviews over TLS. */
export interface AdmissionServer extends Part {
  /** New connections are shown this certificate; those that stand go on. Needed before the start. */
  show(leaf: Pair): void;
  /** `https://HOST:PORT`, once started. */
  url(): string;
}

/** Twice the largest object that an API server takes, the old one and the new one, and what is around them. */
const BODY_LIMIT = 8 * 1024 * 1024;
const HEAD_LIMIT = 16 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 3_000;
/** After the stop has begun: longer than an answer takes. */
const DRAIN_MS = 3_000;
/** Longer than the API server keeps a connection that it does not use: then it is never closed under a question. */
const KEEP_ALIVE_MS = 120_000;

/**
 * The API server's door. Callers show no certificate: what is answered here is a judgement on what the caller itself sent, with
 * warnings that tell whether a Tenant exists and which of its limits the caller's AuthPolicy exceeds, and for pods whether the
 * namespace is injected and which AuthPolicy selects which labels there.
 */
export function createAdmissionServer({ listen, reviews, log, metrics }: AdmissionServerOptions): AdmissionServer {
  const paths = Object.keys(reviews);
  const unreadable = metrics.counter("heauth_admission_unreadable_total", {});
  const app = fastify({
    https: { minVersion: "TLSv1.3", maxHeaderSize: HEAD_LIMIT, handshakeTimeout: HANDSHAKE_TIMEOUT_MS },
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What comes in on a connection that stands is answered to the end, and the connection closed by its answer.
    return503OnClosing: false,
    forceCloseConnections: "idle",
  });
  app.setErrorHandler((error: FastifyError, _, reply) => {
    const { status, code, title } = problemFor(error);
    if (status < 500) unreadable.add();
    else log.error({ err: asError(error) }, "a review failed");
    return send(reply, status, code, title);
  });
  app.setNotFoundHandler((_, reply) => send(reply, 404, "NotFound", `There is only POST ${paths.join(", ")}`));
  for (const path of paths) app.post(path, ({ body }) => reviews[path]?.(body));
  const server = app.server as unknown as Server;

  return {
    name: "admission server",
    show: ({ certificate, key }) => server.setSecureContext({ cert: certificate, key, minVersion: "TLSv1.3" }),
    url() {
      const { address, port } = server.address() as AddressInfo;
      return `https://${formatHostPort({ host: address, port })}`;
    },
    async start() {
      try {
        await app.listen(listen);
      } catch (error) {
        throw new ProgramError("StartFailed", `cannot listen on ${formatHostPort(listen)}`, { cause: error });
      }
      log.info(`admission at ${this.url()}`);
    },
    async stop(deadline) {
      // Whoever is still sending by then is no API server.
      const late = AbortSignal.any([deadline, AbortSignal.timeout(DRAIN_MS)]);
      late.addEventListener("abort", () => server.closeAllConnections(), { once: true });
      await app.close();
    },
  };
}

/** What can't be read is the caller's mistake; anything else is ours, and not told. The API server refuses what is not answered. */
function problemFor(error: FastifyError): { status: number; code: string; title: string } {
  if (error instanceof OperatorError) return { status: 400, code: error.code, title: error.message };
  const { statusCode: status = 500 } = error;
  if (status >= 500) return { status: 500, code: "Internal", title: "The review failed" };
  // Its message may quote the body.
  return { status, code: "ReviewUnreadable", title: reasons[error.code] ?? "The body is not JSON" };
}

const reasons: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: `The body has more than ${BODY_LIMIT} bytes`,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "The body must be application/json",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "The body is not as long as the request says",
};

function send(reply: FastifyReply, status: number, code: string, title: string): FastifyReply {
  return reply
    .code(status)
    .type(problemContentType)
    .send(JSON.stringify(problem({ status, code, title })));
}
