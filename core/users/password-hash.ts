import { randomBytes } from "node:crypto";
import { hash as argon2Hash, verify as argon2Verify } from "@node-rs/argon2";
import { compare as bcryptCompare, hash as bcryptHash } from "bcrypt";
import { UsersError } from "./errors.ts";

export type HashAlgorithm = "Argon2id" | "Bcrypt";

/** bcrypt looks at no more bytes than this. */
export const BCRYPT_MAX_BYTES = 72;

// OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. Argon2id is the library's default variant.
const argon2Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const ARGON2_PREFIX = "$argon2id$v=19$m=19456,t=2,p=1$";
const BCRYPT_COST = 12;
const BCRYPT_PREFIX = `$2b$${BCRYPT_COST}$`;

/** What is hashed: the same characters have the same bytes on every keyboard (RFC 8265, section 4.2: NFC). */
function bytesOf(password: string): Buffer {
  return Buffer.from(password.normalize("NFC"));
}

/** Whether bcrypt would look at the whole password. */
export function fitsBcrypt(password: string): boolean {
  const bytes = bytesOf(password);
  return bytes.length <= BCRYPT_MAX_BYTES && !bytes.includes(0);
}

/**
 * Hashes a password, in a worker thread: some 20 to 250 ms of a core, argon2id with 19 MiB of memory. The answer is in PHC or crypt
 * form and holds its parameters.
 * @throws UsersError PasswordUnusable when bcrypt would cut it
 */
export async function hashPassword(password: string, algorithm: HashAlgorithm): Promise<string> {
  if (algorithm === "Argon2id") return argon2Hash(bytesOf(password), argon2Options);
  if (!fitsBcrypt(password))
    throw new UsersError("PasswordUnusable", "bcrypt takes at most 72 bytes, none of them NUL");
  return bcryptHash(bytesOf(password), BCRYPT_COST);
}

/** Whether the password is the one that was hashed. A hash of no kind known here fits no password. */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  if (hash.startsWith("$argon2")) return argon2Verify(hash, bytesOf(password)).catch(() => false);
  if (!/^\$2[aby]\$/.test(hash)) return false;
  return (await bcryptCompare(bytesOf(password), hash)) && fitsBcrypt(password);
}

/** Whether the hash should be made anew at the next login: another algorithm, or other parameters. */
export function needsRehash(hash: string, algorithm: HashAlgorithm): boolean {
  return !hash.startsWith(algorithm === "Argon2id" ? ARGON2_PREFIX : BCRYPT_PREFIX);
}

const dummies = new Map<HashAlgorithm, Promise<string>>();

/** A hash that fits no password: an unknown login is checked against it, so that it takes as long as a known one. */
export function dummyHash(algorithm: HashAlgorithm): Promise<string> {
  const known = dummies.get(algorithm);
  if (known !== undefined) return known;
  const made = hashPassword(randomBytes(32).toString("base64url"), algorithm);
  dummies.set(algorithm, made);
  return made;
}
