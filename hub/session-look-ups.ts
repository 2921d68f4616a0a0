import { isUuid } from "@heauth/program";
import { type HubHandlers, SessionStatus } from "@heauth/protocol";
import { type Database, lookUpSessions, primaryId, type SessionFinding } from "@heauth/store";
import { malformed, unavailable } from "./refusals.ts";

export const MAX_SESSIONS = 512;

type Request = Parameters<HubHandlers["lookUpSessions"]>[0];
type Response = Awaited<ReturnType<HubHandlers["lookUpSessions"]>>;
type State = NonNullable<Response["sessions"]>[number];

/**
 * States of sessions, in the order asked, read on one snapshot of the primary that begins now.
 * @param store the store that events are read from: states of another one would not fit them
 * @throws CallError INVALID_ARGUMENT, UNAVAILABLE
 */
export async function lookUp(database: Database, { tenant, sessions }: Request, store: string): Promise<Response> {
  if (sessions.length > MAX_SESSIONS) throw malformed(`at most ${MAX_SESSIONS} sessions at a time`);
  if (!isUuid(tenant) || !sessions.every(isUuid)) throw malformed("an id is no UUID");
  const findings = await database.read(async (tx) => {
    if ((await primaryId(tx)) !== store) throw unavailable();
    return lookUpSessions(tx, tenant, sessions);
  });
  return { sessions: findings.map(stateOf) };
}

function stateOf(finding: SessionFinding): State {
  if (finding.status === "Unknown") return { session: finding.id, status: SessionStatus.UNKNOWN };
  const { id, status, generation, userId, statement, statementSignature, subject, roles, closeReason, idle } = finding;
  return {
    session: id,
    status: status === "Open" ? SessionStatus.OPEN : SessionStatus.CLOSED,
    generation: BigInt(generation),
    user: userId,
    statement,
    statementSignature,
    subject,
    roles,
    closeReason: closeReason ?? "",
    idleUs: BigInt(Math.max(0, idle)),
  };
}
