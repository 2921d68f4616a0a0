import type { SessionKind } from "@heauth/core/sessions";
import { revokeSessions } from "@heauth/store";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import { originOf } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import { requestToken } from "./caller.ts";
import { recordRefusal } from "./record-refusal.ts";
import { readSignedToken } from "./signed-token.ts";

/**
 * Ends the session of a token: of the body's, else of the header's or the cookie's. Whom the session belongs to may end it with any token it
 * has signed, also a late one or one for an app only. Ending it again changes nothing.
 * @throws IdentityError Unauthenticated, and as `requestToken`; StoreError StoreUnavailable
 */
export async function logOut(
  workshop: Workshop,
  request: FastifyRequest,
  kind: SessionKind,
  bodyToken: string | undefined,
): Promise<void> {
  const token = bodyToken ?? requestToken(request);
  if (token === undefined) throw new IdentityError("Unauthenticated");
  const reading = await readSignedToken(workshop, token);
  if (!reading.ok) await recordRefusal(workshop, request, reading);
  if (!reading.ok || reading.state.kind !== kind) throw new IdentityError("Unauthenticated");
  const { tenant, state } = reading;
  const { database, ledgerWriter, counts } = workshop;
  const closed = await database.tenantTransaction(tenant.id, (tx) =>
    revokeSessions(tx, ledgerWriter, {
      tenantId: tenant.id,
      sessionIds: [state.id],
      reason: "Logout",
      by: originOf(request),
    }),
  );
  if (closed.length > 0) counts.closed("Logout");
  request.log.info({ tenant: tenant.id, session: state.id, closed: closed.length }, "logged out");
}
