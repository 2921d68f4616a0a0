export type { App } from "./app.ts";
export { type IdentityConfig, identitySettings } from "./config.ts";
export { IdentityError, type IdentityErrorOptions } from "./errors.ts";
export { createIdentity, type Identity } from "./identity.ts";
export type { IdentityParts } from "./parts.ts";
export type { ProblemCode } from "./problems.ts";
export { createSuperuser, type SuperuserParts, type SuperuserWish } from "./users/create-superuser.ts";
