import { isClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";

/** Whether the database or the API server did not answer, or can't do anything now: that is so whatever it was asked for. */
export function isAway(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === "StoreUnavailable";
  return isClusterError(error, "Unreachable", "Timeout", "Unauthorized", "TooManyRequests", "ServerError");
}
