import { LedgerError } from "@heauth/core/ledger";
import { ClusterError } from "@heauth/program/kubernetes";
import { LedgerStoreError, StoreError } from "@heauth/store";
import { OperatorError } from "../errors.ts";

/** Their messages name the thing at fault, never a secret or a person. */
const OURS = [StoreError, LedgerStoreError, LedgerError, OperatorError, ClusterError];
/** An event's note, which is the shorter one, has room for it. */
const LONGEST = 512;
const SEE_LOG = "the operator's log says more";
/** Appendix A of PostgreSQL's manual. */
const SQLSTATE = /^[0-9A-Z]{5}$/;
const CLASS = /^[A-Za-z]{1,64}$/;

/**
 * Why something failed, for whoever may read a resource's status: code and message of an error of ours, of any other no more than of
 * what class it is, for its message may hold values of rows. Always one line.
 */
export function publicReason(error: unknown): string {
  const ours = OURS.find((each) => error instanceof each);
  if (ours !== undefined) return oneLine(`${(error as InstanceType<typeof ours>).code}: ${(error as Error).message}`);
  if (!Error.isError(error)) return SEE_LOG;
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown };
  if (typeof severity === "string" && typeof code === "string" && SQLSTATE.test(code)) {
    return `the database answered ${code}; ${SEE_LOG}`;
  }
  return `${CLASS.test(error.name) ? error.name : "Error"}; ${SEE_LOG}`;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  const characters = Array.from(line);
  return characters.length <= LONGEST ? line : `${characters.slice(0, LONGEST).join("")}…`;
}
