/** Why a session was closed: the `reason` of `session.close` and of its block. */
export const closeReasons = [
  "Logout",
  "Revoked",
  "UserDeleted",
  "Evicted",
  "RefreshReuse",
  "SessionIdle",
  "SessionExpired",
] as const;

export type CloseReason = (typeof closeReasons)[number];

/** Whether it ended by itself: a token of such a session is late, not suspicious. */
export function endedByTime(reason: string): boolean {
  return reason === "SessionIdle" || reason === "SessionExpired";
}
