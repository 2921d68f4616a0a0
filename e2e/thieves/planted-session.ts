import { signMessage } from "@heauth/core/ledger";
import { deriveSessionKeyPair, newSessionKey, signSessionStatement } from "@heauth/core/sessions";
import { mintAccessToken } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import type { Forge } from "../standalone/forge.ts";
import type { Rows } from "../standalone/rows.ts";

export interface PlantedSession {
  readonly id: string;
  /** Signed with the planted key, its tag made with the tenant's real tag key. */
  readonly token: string;
}

/**
 * What somebody with every right in the database would try: a session for the user of `victim`, with a key of his own making and a
 * statement about it, signed by whatever key he has under the id of identity's, or with one that identity signed for another session.
 */
export async function plantSession(rows: Rows, victim: Forge, statement: "Own" | "Copied"): Promise<PlantedSession> {
  const { tenantId: tenant, user, session: other } = victim.login;
  const id = uuidv7();
  const sessionKey = newSessionKey();
  const { privateKey, publicKey } = deriveSessionKeyPair({
    sessionKey,
    serverSecret: Buffer.alloc(32),
    tenant,
    session: id,
  });
  const opened = Date.now() * 1000;
  const expires = opened + 3600 * 1e6;
  const [copied] = await rows.query<{ bytes: Buffer; signature: Buffer }>(
    "SELECT statement AS bytes, statement_signature AS signature FROM session WHERE (tenant_id, id) = ($1, $2)",
    [tenant, other],
  );
  if (copied === undefined) throw new Error("the victim has no session");
  const signer = JSON.parse(copied.bytes.toString()).signer as string;
  const own = signSessionStatement(
    { tenant, session: id, kind: "User", user, publicKey, opened, expires },
    { id: signer, sign: (kind, body) => signMessage(kind, body, privateKey) },
  );
  const { bytes, signature } = statement === "Own" ? own : copied;
  await rows.query(
    `INSERT INTO session (tenant_id, id, kind, user_id, statement, statement_signature, audiences, opened_at, last_seen_at, expires_at,
                          refresh_rotated_at, refresh_expires_at)
     VALUES ($1, $2, 'User', $3, $4, $5, '{clinic,heauth}', at($6), at($6), at($7), at($6), at($7))`,
    [tenant, id, user, bytes, signature, opened, expires],
  );
  await rows.query(
    `INSERT INTO session_key (tenant_id, session_id, key, server_secret)
     SELECT tenant_id, $3, $4, server_secret FROM session_key WHERE (tenant_id, session_id) = ($1, $2)`,
    [tenant, other, id, sessionKey],
  );
  const claims = { ...victim.claims, sid: id, aud: ["clinic", "heauth"] };
  return { id, token: mintAccessToken(claims, { privateKey, tagKey: victim.tagKey }) };
}

/** Lets the sidecars know, as the outbox would, that a session is to be read again: direct SQL tells nobody. */
export async function announce(rows: Rows, { tenantId, session }: Forge["login"]): Promise<void> {
  await rows.query(
    `WITH changed AS (
       UPDATE session SET generation = generation + 1 WHERE (tenant_id, id) = ($1, $2) RETURNING generation
     ), head AS (
       UPDATE outbox_head SET seq = seq + 1 WHERE tenant_id = $1 RETURNING seq
     )
     INSERT INTO outbox (tenant_id, seq, kind, session_id, generation)
     SELECT $1, seq, 'session.changed', $2, generation FROM head, changed`,
    [tenantId, session],
  );
}
