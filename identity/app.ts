import swagger from "@fastify/swagger";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from "fastify";
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import { answerError, answerProblems, answerUnreadable } from "./http/answer-problems.ts";
import { addJsonBodies, BODY_LIMIT } from "./http/json-body.ts";
import { sayGoodbye } from "./http/last-answers.ts";
import { observeRequests } from "./http/observe-requests.ts";
import { addRequestIds, requestId } from "./http/request-id.ts";
import { addSecurityHeaders } from "./http/security-headers.ts";
import { followCertificate, tlsOptions } from "./http/tls.ts";
import { openapiDocument } from "./openapi/document.ts";
import { tidyDocument } from "./openapi/tidy.ts";
import type { Workshop } from "./parts.ts";
import { authRoutes } from "./routes/auth.ts";
import { documentRoutes } from "./routes/document.ts";
import { probeRoutes } from "./routes/probes.ts";
import { type Routes, typedApp } from "./routes/routes.ts";
import { tenantRoutes } from "./routes/tenant.ts";
import { userRoutes } from "./routes/user.ts";

/** Identity's HTTP app. */
export type App = FastifyInstance;

const HEAD_LIMIT = 16 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** Builds identity's HTTP app; with a certificate it speaks TLS only. It listens to nothing. `leaving` aborts when it is about to be closed. */
export async function createApp(workshop: Workshop, leaving: AbortSignal): Promise<App> {
  const { config, log, certificate } = workshop;
  const options = {
    loggerInstance: log as FastifyBaseLogger,
    genReqId: requestId,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    requestIdHeader: false,
    trustProxy: (_, hop) => hop < config.trustedHops,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A request that came before the end is answered.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerUnreadable(log),
  } satisfies FastifyServerOptions;
  const maxHeaderSize = HEAD_LIMIT;
  const app =
    certificate === undefined
      ? fastify({ ...options, http: { maxHeaderSize } })
      : (fastify({ ...options, https: { maxHeaderSize, ...tlsOptions(certificate.current()) } }) as unknown as App);
  if (certificate !== undefined) followCertificate(app, certificate);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addJsonBodies(app);
  addSecurityHeaders(app);
  addRequestIds(app, config.requestIds);
  observeRequests(app, workshop);
  answerProblems(app);
  sayGoodbye(app, leaving);

  await app.register(swagger, {
    openapi: openapiDocument,
    transform: jsonSchemaTransform,
    transformObject: tidyDocument,
  });
  const routes: Routes[] = [tenantRoutes, userRoutes, authRoutes, documentRoutes, probeRoutes];
  for (const add of routes) add(typedApp(app), workshop);
  await app.ready();
  return app;
}
