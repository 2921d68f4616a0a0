import { createHash } from "node:crypto";
import { addressGroup, type LockoutRules } from "@heauth/core/users";
import type { LoginCounter } from "@heauth/store";

/** Failures that an address may have for each one that an account may: many people share an address. */
const ADDRESS_FACTOR = 10;

/** What a tenant that does not exist is taken to ask for. */
export const absentRules: LockoutRules = { failures: 10, windowMs: 900_000 };

/** Whose failures a login attempt counts for: an account's (its id, or what was typed) and an address's. Kept as hashes. */
export function loginCounters(account: string, peer: string, { failures, windowMs }: LockoutRules): LoginCounter[] {
  return [
    { subject: `account:${digest(account.toLowerCase())}`, rules: { failures, windowMs } },
    {
      subject: `address:${digest(addressGroup(peer) ?? peer)}`,
      rules: { failures: failures * ADDRESS_FACTOR, windowMs },
    },
  ];
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
