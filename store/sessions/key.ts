import type { Tx } from "../transaction.ts";

/** What an open session's keys are derived from, together with the server secret of that id. */
export type StoredSessionKey = { key: Buffer; serverSecretId: string };

/** Absent once the session is closed. Only identity's role may read it. */
export async function sessionKey(tx: Tx, tenantId: string, sessionId: string): Promise<StoredSessionKey | undefined> {
  const [row] = await tx.query<StoredSessionKey>(
    `SELECT key, server_secret AS "serverSecretId" FROM heauth.session_key WHERE tenant_id = $1 AND session_id = $2`,
    [tenantId, sessionId],
  );
  return row;
}
