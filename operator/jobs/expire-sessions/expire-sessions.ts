import { type Database, type Recorder, revokeSessions, type TimedOutSession, timedOutSessions } from "@heauth/store";
import type { FailingTenants } from "../failing-tenants.ts";
import type { OnFailure } from "../one-by-one.ts";

const BATCH = 256;

/**
 * Closes the sessions whose time is over, by the one way that sessions end. They are refused everywhere already; this ends their
 * tokens' keys and lets their blocks be closed.
 * @param failing whose sessions could not be closed, and wait therefore
 * @param onFailure told of a tenant whose sessions could not be closed; they are tried again
 * @returns whether there may be more
 */
export async function expireSessions(
  database: Database,
  recorder: Recorder,
  failing: FailingTenants,
  onFailure: OnFailure<{ readonly tenantId: string }>,
): Promise<boolean> {
  const timedOut = await database.transaction((tx) => timedOutSessions(tx, BATCH, failing.now()));
  const groups = Map.groupBy(timedOut, ({ tenantId, reason }) => `${tenantId} ${reason}`).values();
  const revocations = [...groups].map((sessions) => {
    const [{ tenantId, reason }] = sessions as [TimedOutSession];
    return { tenantId, reason, sessionIds: sessions.map(({ sessionId }) => sessionId) };
  });
  const revoke = (revocation: (typeof revocations)[number]) =>
    database.tenantTransaction(revocation.tenantId, (tx) => revokeSessions(tx, recorder, revocation));
  await failing.oneByOne(revocations, revoke, onFailure);
  return timedOut.length === BATCH;
}
