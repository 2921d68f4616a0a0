import { isClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";

/**
 * Whether something failed only because somebody else was there first: an object was changed meanwhile, or another operator
 * leads. Nothing is wrong; what is to be done is looked at again.
 */
export function isConflict(error: unknown): boolean {
  return isClusterError(error, "Conflict", "AlreadyExists") || (error instanceof StoreError && error.code === "Fenced");
}
