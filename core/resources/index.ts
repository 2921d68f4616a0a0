export { type AuthPolicy, type AuthPolicyInput, authPolicySchema } from "./auth-policy.ts";
export { milliseconds } from "./duration.ts";
export { audience, label, roleName } from "./fields.ts";
export { authPolicyNotBuilt, authPolicyOnlyInPods, type NotBuilt, tenantNotBuilt } from "./not-built.ts";
export { describeProblem, type FieldProblem, type FieldProblemCode, fieldProblem } from "./problem.ts";
export { choosePolicy, type LabelRequirement, type LabelSelector, type Selecting, selects } from "./select.ts";
export { defaultTenantSettings, type TenantSettings, tenantSettings, tenantSettingsSchema } from "./settings.ts";
export { type Tenant, type TenantInput, tenantSchema } from "./tenant.ts";
export { type Resource, type Validated, type ValidateOptions, validateResource } from "./validate.ts";
