import { ACCESS_COOKIE, REFRESH_COOKIE, setCookie } from "@heauth/core/tokens";
import type { FastifyReply } from "fastify";
import * as z from "zod";
import { IdentityError } from "../errors.ts";
import { originOf } from "../http/origin.ts";
import { logUserIn } from "../login/log-in.ts";
import { problems } from "../schemas/problem.ts";
import { login, password, shortText, token } from "../schemas/text.ts";
import { decodedSchema, doneSchema, optionalTokenBody, tokenBody, tokensSchema } from "../schemas/tokens.ts";
import { audiencesAsked } from "../sessions/audiences.ts";
import { decodeToken } from "../sessions/decode-token.ts";
import type { IssuedTokens } from "../sessions/issue-tokens.ts";
import { logOut } from "../sessions/log-out.ts";
import { recordRefusal } from "../sessions/record-refusal.ts";
import { refreshTokens } from "../sessions/refresh-tokens.ts";
import { requestRefreshToken } from "../sessions/request-refresh-token.ts";
import { findTenant } from "../tenants/find-tenant.ts";
import type { Routes } from "./routes.ts";

const tags = ["auth"];
const audienceName = shortText(128);

const loginBody = z.strictObject({
  tenant: shortText(253)
    .optional()
    .meta({ description: "The tenant's name or id. May be left out where there is only one." }),
  login: login(),
  password: password(),
  deviceId: shortText(128).optional().meta({ description: "What the user shall know the session by." }),
  audience: z
    .union([audienceName, z.array(audienceName).min(1).max(17)])
    .optional()
    .meta({ description: "Only these in the tokens' `aud`; all of the tenant's, and `heauth`, when absent." }),
});

/** A user's session. */
export const authRoutes: Routes = (app, workshop) => {
  app.route({
    method: "POST",
    url: "/auth",
    schema: {
      operationId: "logIn",
      tags,
      summary: "Log in with a login or an e-mail address; sets the cookies too",
      body: loginBody,
      response: { 200: tokensSchema, ...problems(400, 401, 409, 413, 415, 429, 503) },
    },
    handler: async (request, reply) => {
      const { tenant: wanted, login, password, deviceId, audience } = request.body;
      const tenant = await findTenant(workshop.database, wanted);
      const audiences = audiencesAsked(tenant, audience);
      const tokens = await logUserIn(workshop, request, { tenant, login, password, audiences, deviceId });
      request.log.info({ tenant: tenant?.id, session: tokens.sessionId }, "logged in");
      return answerTokens(reply, tokens);
    },
  });

  app.route({
    method: "POST",
    url: "/auth/refresh",
    schema: {
      operationId: "refresh",
      tags,
      summary:
        "New tokens for the refresh token of the body, or of the cookie; one that was used before ends the session",
      body: z.strictObject({ refreshToken: token().optional() }).nullish(),
      response: { 200: tokensSchema, ...problems(400, 401, 403, 413, 415, 503) },
    },
    handler: async (request, reply) => {
      const text = request.body?.refreshToken ?? requestRefreshToken(request);
      if (text === undefined) throw new IdentityError("RefreshRefused");
      const answer = await refreshTokens(workshop, text, originOf(request));
      const outcome = {
        Rotated: "rotated",
        Repeated: "repeated",
        Reused: "reused",
        Refused: "refused",
        Untrusted: "refused",
      } as const;
      workshop.counts.refresh(outcome[answer.outcome]);
      if (answer.outcome === "Reused") workshop.counts.closed("RefreshReuse");
      if (answer.outcome === "Untrusted")
        await recordRefusal(workshop, request, { reason: "BadStatement", tenantId: answer.tenantId });
      if (!("tokens" in answer)) throw new IdentityError("RefreshRefused");
      return answerTokens(reply, answer.tokens);
    },
  });

  app.route({
    method: "POST",
    url: "/auth/logout",
    schema: {
      operationId: "logOut",
      tags,
      security: [{ bearer: [] }, { cookie: [] }, {}],
      summary: "End the session, which closes its block; the token stands in the body, the header or the cookie",
      body: optionalTokenBody,
      response: { 200: doneSchema, ...problems(400, 401, 403, 413, 415, 503) },
    },
    handler: async (request, reply) => {
      await logOut(workshop, request, "User", request.body?.token);
      setCookies(reply, { accessToken: "", expiresIn: 0, refreshToken: "", refreshExpiresIn: 0 });
      return { result: 1 as const };
    },
  });

  app.route({
    method: "POST",
    url: "/auth/verify",
    schema: {
      operationId: "verifyToken",
      tags,
      summary: "The claims of a token, if it is good right now",
      body: tokenBody,
      response: { 200: decodedSchema, ...problems(400, 413, 415, 503) },
    },
    handler: async (request) => ({ decoded: await decodeToken(workshop, request, request.body.token) }),
  });
};

function answerTokens(reply: FastifyReply, tokens: IssuedTokens) {
  setCookies(reply, tokens);
  const { accessToken, refreshToken, expiresIn } = tokens;
  return { accessToken, refreshToken, expiresIn };
}

function setCookies(
  reply: FastifyReply,
  { accessToken, expiresIn, refreshToken, refreshExpiresIn }: IssuedTokens,
): void {
  reply.header("set-cookie", [
    setCookie(ACCESS_COOKIE, accessToken, expiresIn),
    setCookie(REFRESH_COOKIE, refreshToken, refreshExpiresIn),
  ]);
}
