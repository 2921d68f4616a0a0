import { type SessionStatement, verifySessionStatement } from "@heauth/core/sessions";
import type { SessionState } from "@heauth/store";
import type { Workshop } from "../parts.ts";

/**
 * What identity said when it opened the session, if the row still says the same; undefined when somebody has written to the database:
 * a session is of whom it was opened for, by its statement and not by its row.
 */
export function vouchedStatement(
  identityKeys: Workshop["identityKeys"],
  tenant: string,
  state: SessionState,
): SessionStatement | undefined {
  const signed = { bytes: state.statement, signature: state.statementSignature };
  const statement = verifySessionStatement(signed, identityKeys, { tenant, session: state.id });
  const isOfRow =
    statement?.user === state.userId && statement.kind === state.kind && statement.expires === state.expiresAt;
  return isOfRow ? statement : undefined;
}
