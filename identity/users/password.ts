import type { TenantSettings } from "@heauth/core/resources";
import { hashPassword, type PasswordProblem, passwordProblem } from "@heauth/core/users";
import { IdentityError } from "../errors.ts";
import type { Hashing } from "../login/hashing.ts";

type Rules = TenantSettings["passwords"];

const details: Readonly<Record<PasswordProblem, (rules: Rules) => string>> = {
  PasswordNotText: () => "must be text without control characters",
  PasswordTooShort: ({ minLength }) => `must have at least ${minLength} characters`,
  PasswordTooLong: ({ hash }) => (hash === "Bcrypt" ? "must have at most 72 bytes" : "must have at most 1024 bytes"),
  PasswordCommon: () => "is among the first that anybody would guess",
  PasswordFromContext: () => "is made from the login, the e-mail address or the tenant's name",
};

/**
 * Hashes a new password, if the tenant's rules take it. `context`: words that a guesser would think of.
 * @throws IdentityError PasswordRefused, Overloaded
 */
export async function hashNewPassword(
  hashing: Hashing,
  password: string,
  rules: Rules,
  context: readonly string[],
): Promise<string> {
  const problem = passwordProblem(password, rules, context);
  if (problem !== undefined) {
    throw new IdentityError("PasswordRefused", { errors: [{ pointer: "/password", detail: details[problem](rules) }] });
  }
  return hashing.run(() => hashPassword(password, rules.hash));
}
