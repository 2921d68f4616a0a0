import { signCheckpoint } from "@heauth/core/ledger";
import { testKeys } from "@heauth/store/testing";

export const TENANT_ID = "01a1fc26-9e5b-74f7-8bca-c5f097cf6ad6";
const { operator } = testKeys();

/** A checkpoint of a log of so many entries; another `root` makes another history. */
export function note(size: number, { root = 7, tenant = TENANT_ID, epoch = 0 } = {}): string {
  return signCheckpoint({ tenant, epoch, size, root: new Uint8Array(32).fill(root) }, operator);
}
