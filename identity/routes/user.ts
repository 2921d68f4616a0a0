import { roleName } from "@heauth/core/resources";
import { listUsers, type User } from "@heauth/store";
import type { FastifyRequest } from "fastify";
import * as z from "zod";
import { invalidField } from "../errors.ts";
import { originOf } from "../http/origin.ts";
import { problems } from "../schemas/problem.ts";
import { email, login, password, scope, shortText, subject } from "../schemas/text.ts";
import { doneSchema } from "../schemas/tokens.ts";
import { type Caller, requireManager } from "../sessions/caller.ts";
import { addUser, type Doer, prepareUser } from "../users/create-user.ts";
import { removeUser } from "../users/remove-user.ts";
import type { Routes } from "./routes.ts";

const PAGE = 100;
const ROLES_MAX = 32;

const userSchema = z
  .object({
    id: z.string(),
    login: z.string(),
    email: z.string(),
    tenant: z.string().meta({ description: "The tenant's id." }),
    sub: z.string(),
    scope: z.string().nullable(),
    roles: z.array(z.string()),
  })
  .meta({ id: "User" });

const createBody = z.strictObject({
  login: login(),
  email: email(),
  password: password(),
  sub: subject().optional(),
  scope: scope().optional(),
  roles: z
    .array(roleName())
    .max(ROLES_MAX)
    .optional()
    .meta({ description: "Those that the tenant does not know yet come into being." }),
});

const listQuery = z.strictObject({
  q: shortText(128).optional().meta({ description: "Part of a login or an e-mail address." }),
  cursor: z.string().min(1).max(512).optional().meta({ description: "Where the page before ended." }),
});

const listSchema = z.object({ users: z.array(userSchema), cursor: z.string().optional() }).meta({ id: "UserPage" });

const security = [{ bearer: [] }, { cookie: [] }];
const tags = ["user"];

/** A tenant's users, for the tenant itself and its admins. */
export const userRoutes: Routes = (app, workshop) => {
  const { database, ledgerWriter, hashing } = workshop;

  app.route({
    method: "POST",
    url: "/user",
    schema: {
      operationId: "createUser",
      tags,
      security,
      summary: "Create a user",
      body: createBody,
      response: { 201: userSchema, ...problems(400, 401, 403, 409, 413, 415, 503) },
    },
    handler: async (request, reply) => {
      const caller = await requireManager(workshop, request);
      const { tenant } = caller;
      const wanted = await prepareUser(hashing, tenant, request.body);
      const user = await database.tenantTransaction(tenant.id, (tx) =>
        addUser(tx, ledgerWriter, tenant.id, wanted, doerOf(request, caller)),
      );
      request.log.info({ tenant: tenant.id, user: user.id }, "user created");
      return reply.code(201).send(answerOf(tenant.id, user));
    },
  });

  app.route({
    method: "GET",
    url: "/user",
    schema: {
      operationId: "listUsers",
      tags,
      security,
      summary: `List users by login, ${PAGE} at a time`,
      querystring: listQuery,
      response: { 200: listSchema, ...problems(400, 401, 403, 503) },
    },
    handler: async (request) => {
      const { tenant } = await requireManager(workshop, request);
      const { q, cursor } = request.query;
      const after = cursor === undefined ? undefined : loginOfCursor(cursor);
      const users = await database.tenantTransaction(tenant.id, (tx) =>
        listUsers(tx, tenant.id, {
          limit: PAGE,
          ...(q !== undefined && { search: q }),
          ...(after !== undefined && { after }),
        }),
      );
      const last = users.length === PAGE ? users.at(-1) : undefined;
      return {
        users: users.map((user) => answerOf(tenant.id, user)),
        ...(last !== undefined && { cursor: cursorOf(last.login) }),
      };
    },
  });

  app.route({
    method: "DELETE",
    url: "/user/:login",
    schema: {
      operationId: "deleteUser",
      tags,
      security,
      summary: "Delete a user, and end his sessions",
      params: z.strictObject({ login: login() }),
      response: { 200: doneSchema, ...problems(400, 401, 403, 404, 503) },
    },
    handler: async (request) => {
      const caller = await requireManager(workshop, request);
      const tenantId = caller.tenant.id;
      const closed = await database.tenantTransaction(tenantId, (tx) =>
        removeUser(tx, ledgerWriter, tenantId, request.params.login, doerOf(request, caller)),
      );
      workshop.counts.closed("UserDeleted", closed);
      request.log.info({ tenant: tenantId, closed }, "user deleted");
      return { result: 1 as const };
    },
  });
};

/** The record belongs to the caller's own session: what an admin does is part of his block. */
function doerOf(request: FastifyRequest, { kind, userId, sessionId }: Caller): Doer {
  return {
    request: request.id,
    session: sessionId,
    private: { ...originOf(request), details: { by: kind === "Tenant" ? "tenant" : userId } },
  };
}

function answerOf(tenant: string, { id, login, email, subject, scope, roles }: Omit<User, "createdAt">) {
  return { id, login, email, tenant, sub: subject, scope: scope ?? null, roles };
}

function cursorOf(login: string): string {
  return Buffer.from(login).toString("base64url");
}

function loginOfCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, "base64url");
  const text = bytes.toString("utf8");
  if (cursorOf(text) !== cursor || text.includes("\0")) throw invalidField("/cursor", "is none that was given out");
  return text;
}
