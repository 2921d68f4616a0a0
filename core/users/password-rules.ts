import { isCommonPassword } from "./common-passwords.ts";
import { fitsBcrypt, type HashAlgorithm } from "./password-hash.ts";

/** The longest password, in bytes of UTF-8; well over what NIST SP 800-63B asks for. */
export const PASSWORD_MAX_BYTES = 1024;

export type PasswordProblem =
  | "PasswordNotText"
  | "PasswordTooShort"
  | "PasswordTooLong"
  | "PasswordCommon"
  | "PasswordFromContext";

export interface PasswordRules {
  /** In characters (code points). */
  readonly minLength: number;
  readonly hash: HashAlgorithm;
}

/** Whether it is text at all: no lone surrogates, no control characters (RFC 8265, section 4.2). */
export function isPasswordText(password: string): boolean {
  return password.isWellFormed() && !/\p{Cc}/u.test(password);
}

/**
 * What is wrong with a new password; undefined when nothing is. `context` are words that a guesser would think of here: login, e-mail,
 * tenant. No rules of composition: length and unguessability count (NIST SP 800-63B, section 3.1.1).
 */
export function passwordProblem(
  password: string,
  { minLength, hash }: PasswordRules,
  context: readonly string[],
): PasswordProblem | undefined {
  if (!isPasswordText(password)) return "PasswordNotText";
  const text = password.normalize("NFC");
  if ([...text].length < minLength) return "PasswordTooShort";
  if (Buffer.byteLength(text) > PASSWORD_MAX_BYTES) return "PasswordTooLong";
  if (hash === "Bcrypt" && !fitsBcrypt(text)) return "PasswordTooLong";
  if (isCommonPassword(text)) return "PasswordCommon";
  if (isMadeFromContext(text, context)) return "PasswordFromContext";
  return undefined;
}

const MIN_CONTEXT_WORD = 3;
const MIN_OWN_LETTERS = 6;

/** Whether little of its own is left once the words of the context are taken out. */
function isMadeFromContext(password: string, context: readonly string[]): boolean {
  const text = password.toLowerCase();
  const words = [...context, "heauth"]
    .flatMap((each) => [each, ...each.split(/[^\p{L}\p{N}]+/u)])
    .map((word) => word.toLowerCase())
    .filter((word) => word.length >= MIN_CONTEXT_WORD)
    .sort((a, b) => b.length - a.length);
  let rest = text;
  for (const word of words) rest = rest.replaceAll(word, "");
  if (rest === text) return false;
  return rest.replace(/[^\p{L}]+/gu, "").length < MIN_OWN_LETTERS;
}
