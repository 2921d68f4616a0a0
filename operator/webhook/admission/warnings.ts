import { limitProblems } from "@heauth/core/policy";
import { type AuthPolicy, describeProblem, type Resource, validateResource } from "@heauth/core/resources";
import type { Logger } from "@heauth/program";
import { type ClusterClient, isClusterError, type KubeObject, TENANTS } from "@heauth/program/kubernetes";

/** A warning must not hold the answer up. */
const TENANT_WITHIN_MS = 1_000;
/** As long as kubectl shows one whole. */
const LENGTH = 240;

/** What is good, and yet will have no effect for now; the status says the same as long as it is so. */
export async function warningsFor(resource: Resource, client: ClusterClient, log: Logger): Promise<string[]> {
  if (resource.kind === "Tenant") return [];
  try {
    return (await tenantWarnings(resource, client)).map(bounded);
  } catch (error) {
    log.debug({ err: error }, "a policy's tenant can't be looked up: no warnings");
    return [];
  }
}

async function tenantWarnings(policy: AuthPolicy, client: ClusterClient): Promise<string[]> {
  const { name } = policy.spec.tenantRef;
  const document = await findTenant(client, name);
  if (document === undefined) {
    return [
      `spec.tenantRef.name: there is no Tenant ${name} yet; until there is, the policy's pods deny every request`,
    ];
  }
  const tenant = validateResource(document);
  if (!tenant.ok || tenant.resource.kind !== "Tenant") return [`spec.tenantRef.name: the Tenant ${name} is not valid`];
  const { allowedNamespaces } = tenant.resource.spec;
  return [
    ...(allowedNamespaces.from === "None"
      ? [`spec.tenantRef.name: the Tenant ${name} allows AuthPolicies of no namespace (its spec.allowedNamespaces)`]
      : []),
    ...limitProblems(tenant.resource, policy).map(describeProblem),
  ];
}

async function findTenant(client: ClusterClient, name: string): Promise<KubeObject | undefined> {
  try {
    return await client.get(TENANTS, { name }, { deadlineMs: TENANT_WITHIN_MS });
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}

function bounded(warning: string): string {
  return warning.length > LENGTH ? `${warning.slice(0, LENGTH - 1)}…` : warning;
}
