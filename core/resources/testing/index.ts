import { invalidAuthPolicies } from "./invalid-auth-policies.ts";
import type { InvalidResource } from "./invalid-resource.ts";
import { invalidTenants } from "./invalid-tenants.ts";

export { changed } from "./changed.ts";
export { authPolicy, tenant } from "./examples.ts";
export type { InvalidResource } from "./invalid-resource.ts";

/** Resources in each of which one thing is wrong: whoever takes resources in must refuse every one, and name the field. */
export const invalidResources: readonly InvalidResource[] = [...invalidTenants, ...invalidAuthPolicies];
