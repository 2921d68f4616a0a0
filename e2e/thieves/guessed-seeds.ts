import { hkdfSync } from "node:crypto";
import type { Forge } from "../standalone/forge.ts";

/** What a thief of the whole database would try to sign with: the session key, with a guess in the server secret's place. */
export const guessedSeeds: [name: string, seed: (stolen: Forge) => Buffer][] = [
  ["the session key itself", ({ sessionKey }) => sessionKey],
  ["derived without a secret", (stolen) => derived(stolen, Buffer.alloc(0))],
  ["derived with a secret of zeros", (stolen) => derived(stolen, Buffer.alloc(32))],
  ["derived with the tag key", (stolen) => derived(stolen, stolen.tagKey.key)],
  ["derived with the public key", (stolen) => derived(stolen, stolen.publicKey)],
];

function derived({ sessionKey, login }: Forge, guess: Uint8Array): Buffer {
  const info = `heauth session v1|${login.tenantId}|${login.session}`;
  return Buffer.from(hkdfSync("sha256", sessionKey, guess, info, 32));
}
