import type { Tx } from "../transaction.ts";
import type { AlertDetails } from "./raise.ts";

/** `First`: the alert was raised. `Total`: its window is over, and it came more than once. */
export type DeliveryKind = "First" | "Total";

/** One receiver of a tenant's. */
export interface ReceiverName {
  readonly tenantId: string;
  readonly receiver: string;
}

export interface DeliveryName extends ReceiverName {
  readonly alertId: string;
  readonly kind: DeliveryKind;
}

/** Something that a receiver is to be told now, with what is known of it now. Times µs. */
export interface DueDelivery extends DeliveryName {
  readonly attempts: number;
  /** Was over the receiver's budget: goes into a digest. */
  readonly digest: boolean;
  readonly tenantName: string;
  /** The receiver as the tenant has it now; null when it is gone. */
  readonly webhook: { readonly url: string; readonly signingSecretRef: { name: string; key: string } } | null;
  readonly reason: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly recordId: string | null;
  readonly details: AlertDetails;
  readonly sessionId: string | null;
  readonly sessionOpenedAt: number | null;
  readonly userId: string | null;
  readonly login: string | null;
  readonly email: string | null;
}

/** More are told of in the next one. */
const MOST_IN_DIGEST = 5_000;

/**
 * Takes deliveries that are due, some of each receiver but those in `except`, oldest first: nobody else gets them for `leaseMs`.
 * Users are read as they are now; one that was deleted has no login and no e-mail.
 */
export function takeDueDeliveries(
  tx: Tx,
  options: { readonly perReceiver: number; readonly leaseMs: number; readonly except?: readonly ReceiverName[] },
): Promise<DueDelivery[]> {
  const { perReceiver, leaseMs, except = [] } = options;
  return tx.query<DueDelivery>(
    `WITH due AS (
       SELECT *, row_number() OVER (PARTITION BY tenant_id, receiver, digest ORDER BY next_at, alert_id) AS place
         FROM alert_delivery WHERE next_at <= now() AND delivered_at IS NULL AND abandoned_at IS NULL
          AND (tenant_id, receiver) NOT IN (SELECT * FROM unnest($3::uuid[], $4::text[]))
     ), taken AS (
       SELECT held.tenant_id, held.alert_id, held.receiver, held.kind FROM alert_delivery AS held
         JOIN due USING (tenant_id, alert_id, receiver, kind)
        WHERE due.place <= CASE WHEN due.digest THEN ${MOST_IN_DIGEST} ELSE $1 END AND held.next_at <= now()
          AND held.delivered_at IS NULL AND held.abandoned_at IS NULL
          FOR UPDATE OF held SKIP LOCKED
     ), leased AS (
       UPDATE alert_delivery AS delivery SET next_at = now() + $2 * interval '1 ms' FROM taken
        WHERE delivery.tenant_id = taken.tenant_id AND delivery.alert_id = taken.alert_id
          AND delivery.receiver = taken.receiver AND delivery.kind = taken.kind
        RETURNING delivery.*
     )
     SELECT leased.tenant_id AS "tenantId", leased.receiver, leased.alert_id AS "alertId", leased.kind, leased.attempts,
            leased.digest, tenant.name AS "tenantName",
            (SELECT configured->'webhook' FROM jsonb_array_elements(tenant.settings->'alerts'->'receivers') AS configured
              WHERE configured->>'name' = leased.receiver LIMIT 1) AS webhook,
            alert.reason, alert.count, alert.first_at AS "firstAt", alert.last_at AS "lastAt",
            alert.record_id AS "recordId", alert.details, alert.session_id AS "sessionId",
            session.opened_at AS "sessionOpenedAt", session.user_id AS "userId", person.login, person.email
       FROM leased
       JOIN alert ON alert.tenant_id = leased.tenant_id AND alert.id = leased.alert_id
       JOIN tenant ON tenant.id = leased.tenant_id
       LEFT JOIN session ON session.tenant_id = leased.tenant_id AND session.id = alert.session_id
       LEFT JOIN tenant_user AS person ON person.tenant_id = leased.tenant_id AND person.id = session.user_id
      ORDER BY alert.first_at, alert.id, leased.kind`,
    [perReceiver, leaseMs, except.map(({ tenantId }) => tenantId), except.map(({ receiver }) => receiver)],
  );
}

/**
 * Takes one message from a receiver's budget of `most` within a window.
 * @returns when the window ends (µs), if there is none left; else undefined
 */
export async function takeBudget(
  tx: Tx,
  { tenantId, receiver }: ReceiverName,
  { most, windowMs }: { readonly most: number; readonly windowMs: number },
): Promise<number | undefined> {
  const [row] = await tx.query<{ over: boolean; ends: number }>(
    `INSERT INTO alert_budget AS budget (tenant_id, receiver, window_start, sent) VALUES ($1, $2, now(), 1)
     ON CONFLICT (tenant_id, receiver) DO UPDATE
        SET sent = CASE WHEN budget.window_start + $4 * interval '1 ms' <= now() THEN 1 ELSE least(budget.sent, $3) + 1 END,
            window_start = CASE WHEN budget.window_start + $4 * interval '1 ms' <= now() THEN now()
                                ELSE budget.window_start END
     RETURNING sent > $3 AS over, window_start + $4 * interval '1 ms' AS ends`,
    [tenantId, receiver, most, windowMs],
  );
  return row?.over === true ? row.ends : undefined;
}

/** Those of them that are not told of yet: somebody else may have been faster than one whose lease is over. */
const NAMED = `tenant_id = $1 AND delivered_at IS NULL AND (alert_id, receiver, kind) IN
  (SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[]))`;

function names(deliveries: readonly DeliveryName[]): unknown[] {
  return [
    deliveries[0]?.tenantId,
    deliveries.map(({ alertId }) => alertId),
    deliveries.map(({ receiver }) => receiver),
    deliveries.map(({ kind }) => kind),
  ];
}

/** The receiver has taken these (all of one tenant). */
export async function markDelivered(tx: Tx, deliveries: readonly DeliveryName[]): Promise<void> {
  await tx.query(
    `UPDATE alert_delivery SET delivered_at = now(), attempts = attempts + 1, last_error = NULL WHERE ${NAMED}`,
    names(deliveries),
  );
}

/** They are told of in a digest at `at` (µs), because the receiver's budget is spent. */
export async function deferToDigest(tx: Tx, deliveries: readonly DeliveryName[], at: number): Promise<void> {
  await tx.query(`UPDATE alert_delivery SET digest = true, next_at = heauth.at($5) WHERE ${NAMED}`, [
    ...names(deliveries),
    at,
  ]);
}

/** An attempt failed; another one follows after `retryInMs`. */
export async function markFailed(
  tx: Tx,
  deliveries: readonly DeliveryName[],
  error: string,
  retryInMs: number,
): Promise<void> {
  await tx.query(
    `UPDATE alert_delivery SET attempts = attempts + 1, last_error = $5, next_at = now() + $6 * interval '1 ms'
      WHERE ${NAMED}`,
    [...names(deliveries), error, retryInMs],
  );
}

/**
 * What has failed to reach these receivers of a tenant is tried again now, not at its next time: a second later, because whoever
 * delivers may hear of what was repaired a moment after us.
 */
export async function hastenDeliveries(tx: Tx, tenantId: string, receivers: readonly string[]): Promise<void> {
  await tx.query(
    `UPDATE alert_delivery SET next_at = now() + interval '1 s'
      WHERE tenant_id = $1 AND receiver = ANY ($2::text[]) AND attempts > 0 AND next_at > now() + interval '1 s'
        AND delivered_at IS NULL AND abandoned_at IS NULL`,
    [tenantId, receivers],
  );
}

/** No further attempt will be made. */
export async function abandon(tx: Tx, deliveries: readonly DeliveryName[], error: string): Promise<void> {
  await tx.query(`UPDATE alert_delivery SET abandoned_at = now(), last_error = $5 WHERE ${NAMED}`, [
    ...names(deliveries),
    error,
  ]);
}

/** Forgets windows and runs that ended an hour ago. */
export async function pruneAlertWindows(tx: Tx): Promise<void> {
  await tx.query("DELETE FROM alert_window WHERE until < now() - interval '1 hour'");
  await tx.query("DELETE FROM alert_run WHERE since < now() - interval '1 hour'");
}
