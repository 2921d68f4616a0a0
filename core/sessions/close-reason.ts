/** Why a session was closed: the `reason` of `session.close` and of its block. */
export const closeReasons = [
  "Logout",
  "Revoked",
  "UserDeleted",
  "TenantDeleted",
  "Evicted",
  "RefreshReuse",
  "SessionIdle",
  "SessionExpired",
] as const;

export type CloseReason = (typeof closeReasons)[number];

/**
 * Why a token of a closed session is refused: a session that ended by itself is no mismatch; any other end, also one that is not
 * told, makes its token one.
 */
export function closedReason(closeReason: string | undefined): "SessionClosed" | "SessionIdle" | "SessionExpired" {
  return closeReason === "SessionIdle" || closeReason === "SessionExpired" ? closeReason : "SessionClosed";
}
