import { randomUUID } from "node:crypto";
import { compile, type PreparedPolicy, preparePolicy } from "@heauth/core/policy";
import { type AuthPolicyInput, authPolicySchema, type TenantInput, tenantSchema } from "@heauth/core/resources";

export const issuer = "https://identity.test";

export interface PolicyParts {
  readonly tenantId?: string;
  readonly name?: string;
  readonly spec?: Partial<AuthPolicyInput["spec"]>;
  readonly tenantSpec?: Partial<TenantInput["spec"]>;
}

const rules: AuthPolicyInput["spec"]["rules"] = [
  { name: "health", match: [{ path: { type: "Exact", value: "/healthz" } }], access: "Public" },
  {
    name: "read",
    match: [{ path: { type: "PathPrefix", value: "/orders" }, methods: ["GET"] }],
    access: "Authenticated",
    action: "order.read",
  },
  {
    name: "write",
    match: [{ path: { type: "PathPrefix", value: "/orders" } }],
    access: "Roles",
    roles: ["clerk"],
    action: "order.write",
    durability: "Database",
    maxRequestDuration: "90s",
  },
];

/** The bytes that a hub gives out for the policy shop/web of the tenant acme, with parts of it replaced. */
export function compiledPolicy({ tenantId = randomUUID(), name = "web", spec, tenantSpec }: PolicyParts = {}) {
  const compiled = compile({
    issuer,
    tenant: {
      id: tenantId,
      resource: tenantSchema.parse({
        apiVersion: "heauth.io/v1alpha1",
        kind: "Tenant",
        metadata: { name: "acme" },
        spec: {
          audiences: ["shop"],
          allowedNamespaces: { from: "All" },
          limits: {
            durability: ["Local", "Database", "BestEffort"],
            modes: ["Enforce", "Shadow"],
            forwardCredentials: true,
          },
          ...tenantSpec,
        },
      }),
    },
    policy: authPolicySchema.parse({
      apiVersion: "heauth.io/v1alpha1",
      kind: "AuthPolicy",
      metadata: { name, namespace: "shop" },
      spec: {
        tenantRef: { name: "acme" },
        selector: { matchLabels: { app: "web" } },
        ports: [{ port: 8080, protocol: "HTTP" }],
        authentication: { audiences: ["shop"] },
        rules,
        defaultAction: "Deny",
        ...spec,
      },
    }),
  });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return { bytes: compiled.bytes, digest: compiled.digest };
}

/** The same, ready to decide. */
export function preparedPolicy(parts: PolicyParts = {}): PreparedPolicy {
  const { bytes, digest } = compiledPolicy(parts);
  const read = preparePolicy(bytes, digest);
  if (!read.ok) throw new Error(read.message);
  return read.prepared;
}
