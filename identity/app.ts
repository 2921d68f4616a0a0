import swagger from "@fastify/swagger";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import { answerError, answerProblems, answerUnreadable } from "./http/answer-problems.ts";
import { addJsonBodies, BODY_LIMIT } from "./http/json-body.ts";
import { observeRequests } from "./http/observe-requests.ts";
import { addRequestIds, requestId } from "./http/request-id.ts";
import { addSecurityHeaders } from "./http/security-headers.ts";
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

/** Builds identity's HTTP app. It listens to nothing. */
export async function createApp(workshop: Workshop): Promise<App> {
  const { config, log } = workshop;
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    genReqId: requestId,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    requestIdHeader: false,
    trustProxy: (_, hop) => hop < config.trustedHops,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { maxHeaderSize: HEAD_LIMIT },
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerUnreadable(log),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addJsonBodies(app);
  addSecurityHeaders(app);
  addRequestIds(app, config.requestIds);
  observeRequests(app, workshop);
  answerProblems(app);

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
