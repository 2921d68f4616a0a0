export { addressGroup } from "./address.ts";
export { UsersError, type UsersErrorCode } from "./errors.ts";
export { type Attempt, giveBackAttempt, type LockoutRules, type LockoutState, takeAttempt } from "./lockout.ts";
export { type NameReading, readEmail, readLogin, readScope, readSubject } from "./names.ts";
export { dummyHash, type HashAlgorithm, hashPassword, needsRehash, verifyPassword } from "./password-hash.ts";
export {
  isPasswordText,
  PASSWORD_MAX_BYTES,
  type PasswordProblem,
  type PasswordRules,
  passwordProblem,
} from "./password-rules.ts";
