import { authPolicySchema, tenantSchema } from "../../resources/index.ts";
import { authPolicy, tenant } from "../../resources/testing/examples.ts";
import { type Compiled, compile } from "../compile.ts";
import type { PreparedPolicy } from "../decision.ts";
import { preparePolicy } from "../prepare.ts";

export const tenantId = "0192f0c1-0000-7000-8000-000000000001";
export const issuer = "https://identity.example";

type Spec = Partial<(typeof authPolicySchema)["_zod"]["input"]["spec"]>;
type TenantSpec = Partial<(typeof tenantSchema)["_zod"]["input"]["spec"]>;

/** Compiles the example policy with parts of the two specs replaced. */
export function compileExample(spec: Spec = {}, tenantSpec: TenantSpec = {}): Compiled {
  const resource = tenantSchema.parse({ ...tenant, spec: { ...tenant.spec, ...tenantSpec } });
  const policy = authPolicySchema.parse({ ...authPolicy, spec: { ...authPolicy.spec, ...spec } });
  return compile({ tenant: { id: tenantId, resource }, issuer, policy });
}

/** The example policy, ready to decide. */
export function prepareExample(spec: Spec = {}, tenantSpec: TenantSpec = {}): PreparedPolicy {
  const compiled = compileExample(spec, tenantSpec);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const read = preparePolicy(compiled.bytes, compiled.digest);
  if (!read.ok) throw new Error(read.message);
  return read.prepared;
}
