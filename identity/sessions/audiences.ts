import { IDENTITY_AUDIENCE } from "@heauth/core/tokens";
import type { Tenant } from "@heauth/store";
import { invalidField } from "../errors.ts";

/**
 * The audiences of a session's tokens: the ones asked for, if the tenant has them, else all of them and identity's own. A tenant that does not
 * exist refuses none: which names it has is not told.
 * @throws IdentityError InvalidRequest
 */
export function audiencesAsked(tenant: Tenant | undefined, asked: string | readonly string[] | undefined): string[] {
  const offered = [...(tenant?.settings.audiences ?? []), IDENTITY_AUDIENCE];
  if (asked === undefined) return offered;
  const wanted = [...new Set(typeof asked === "string" ? [asked] : asked)];
  if (tenant !== undefined && !wanted.every((audience) => offered.includes(audience))) {
    throw invalidField("/audience", "must be audiences of the tenant");
  }
  return wanted;
}
