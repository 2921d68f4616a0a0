import { type Database, type Recorder, revokeSessions, type TimedOutSession, timedOutSessions } from "@heauth/store";

const BATCH = 256;

/**
 * Closes the sessions whose time is over, by the one way that sessions end. They are refused everywhere already; this ends their
 * tokens' keys and lets their blocks be closed.
 * @returns whether there may be more
 */
export async function expireSessions(database: Database, recorder: Recorder): Promise<boolean> {
  const timedOut = await database.transaction((tx) => timedOutSessions(tx, BATCH));
  for (const [, sessions] of Map.groupBy(timedOut, ({ tenantId, reason }) => `${tenantId} ${reason}`)) {
    const [{ tenantId, reason }] = sessions as [TimedOutSession];
    const sessionIds = sessions.map(({ sessionId }) => sessionId);
    await database.tenantTransaction(tenantId, (tx) => revokeSessions(tx, recorder, { tenantId, sessionIds, reason }));
  }
  return timedOut.length === BATCH;
}
