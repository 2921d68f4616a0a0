import { isClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";
import { OperatorError } from "../errors.ts";

/** Whether the database or the API server did not answer, or can't do anything now: that is so whatever it was asked for. */
export function isAway(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === "StoreUnavailable";
  // Without a cause the API server was not even asked: it was away a moment ago.
  if (error instanceof OperatorError && error.code === "AnchorUnavailable") {
    return error.cause === undefined || isAway(error.cause);
  }
  return isClusterError(error, "Unreachable", "Timeout", "Unauthorized", "TooManyRequests", "ServerError");
}
