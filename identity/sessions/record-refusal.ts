import { reasons } from "@heauth/core/policy";
import type { FastifyRequest } from "fastify";
import { originOf } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import type { TokenRefusal } from "./signed-token.ts";

/**
 * Records a token that does not fit its session, where that is an event and not just a late or a mangled request: an alert
 * follows from the record.
 */
export async function recordRefusal(
  { database, ledgerWriter }: Pick<Workshop, "database" | "ledgerWriter">,
  request: FastifyRequest,
  { reason, tenantId, session }: TokenRefusal,
): Promise<void> {
  if (reasons[reason].alert !== "Each" || tenantId === undefined) return;
  await database.tenantTransaction(tenantId, async (tx) => {
    await ledgerWriter.append(tx, tenantId, [
      {
        type: "decision",
        decision: "Deny",
        reason,
        action: `${request.method} ${request.routeOptions.url ?? ""}`.trim(),
        request: request.id,
        ...(session !== undefined && { session }),
        private: { method: request.method, path: request.url.split("?", 1)[0] ?? "", ...originOf(request) },
      },
    ]);
  });
}
