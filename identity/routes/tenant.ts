import { label } from "@heauth/core/resources";
import { tenantAccount } from "@heauth/store";
import * as z from "zod";
import { IdentityError } from "../errors.ts";
import { logTenantIn } from "../login/log-in.ts";
import { problems } from "../schemas/problem.ts";
import { email, password } from "../schemas/text.ts";
import { decodedSchema, doneSchema, optionalTokenBody, tokenBody } from "../schemas/tokens.ts";
import { decodeToken } from "../sessions/decode-token.ts";
import { logOut } from "../sessions/log-out.ts";
import { registerOwnTenant } from "../tenants/register-tenant.ts";
import type { Routes } from "./routes.ts";

const tags = ["tenant"];
const registered = z.object({ id: z.string(), email: z.string(), token: z.string() }).meta({ id: "RegisteredTenant" });
const tenantToken = z.object({ token: z.string() }).meta({ id: "TenantToken" });

const registerBody = z.strictObject({
  email: email(),
  password: password(),
  name: label().optional().meta({ description: "What users name when they log in; made up when absent." }),
});

/** A tenant that manages itself: service to service, with a token of its own. */
export const tenantRoutes: Routes = (app, workshop) => {
  app.route({
    method: "POST",
    url: "/tenant",
    schema: {
      operationId: "registerTenant",
      tags,
      summary: "Register a tenant, where that is switched on",
      body: registerBody,
      response: { 201: registered, ...problems(400, 403, 409, 413, 415, 503) },
    },
    handler: async (request, reply) => {
      if (!workshop.config.tenantRegistration) throw new IdentityError("RegistrationClosed");
      const { tenant, tokens } = await registerOwnTenant(workshop, request, request.body);
      return reply.code(201).send({ id: tenant.id, email: tenant.email, token: tokens.accessToken });
    },
  });

  app.route({
    method: "POST",
    url: "/tenant/login",
    schema: {
      operationId: "logTenantIn",
      tags,
      summary: "Log a tenant in",
      body: z.strictObject({ email: email(), password: password() }),
      response: { 200: tenantToken, ...problems(400, 401, 409, 413, 415, 429, 503) },
    },
    handler: async (request) => {
      const { email, password } = request.body;
      const account = await workshop.database.read((tx) => tenantAccount(tx, email));
      const { accessToken, sessionId } = await logTenantIn(workshop, request, { account, email, password });
      request.log.info({ tenant: account?.id, session: sessionId }, "tenant logged in");
      return { token: accessToken };
    },
  });

  app.route({
    method: "POST",
    url: "/tenant/logout",
    schema: {
      operationId: "logTenantOut",
      tags,
      security: [{ bearer: [] }, {}],
      summary: "End the tenant's own session; its token stands in the body or in the header",
      body: optionalTokenBody,
      response: { 200: doneSchema, ...problems(400, 401, 403, 413, 415, 503) },
    },
    handler: async (request) => {
      await logOut(workshop, request, "Tenant", request.body?.token);
      return { result: 1 as const };
    },
  });

  app.route({
    method: "POST",
    url: "/tenant/verify",
    schema: {
      operationId: "verifyTenantToken",
      tags,
      summary: "The claims of a tenant's own token, if it is good right now",
      body: tokenBody,
      response: { 200: decodedSchema, ...problems(400, 413, 415, 503) },
    },
    handler: async (request) => {
      const decoded = await decodeToken(workshop, request, request.body.token);
      if (decoded.isTenant !== true) throw new IdentityError("TokenRefused");
      return { decoded };
    },
  });
};
