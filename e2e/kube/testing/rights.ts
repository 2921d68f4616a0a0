import type { ApiServer } from "../api-server.ts";
import type { AuditEvent } from "../audit.ts";

interface Role {
  readonly rules?: readonly {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Each right once and sorted, as `patch tenants.heauth.io/status`: what a Role and a ClusterRole of one name give together. */
export async function grantedRights({ kubectl }: ApiServer, name: string, namespace: string): Promise<string[]> {
  const { stdout } = await kubectl(["get", "clusterroles,roles", "-n", namespace, "-o", "json"]);
  const { items } = JSON.parse(stdout) as { items: (Role & { metadata: { name: string } })[] };
  const rules = items.filter(({ metadata }) => metadata.name === name).flatMap((role) => role.rules ?? []);
  const rights = rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    verbs.flatMap((verb) => apiGroups.flatMap((group) => resources.map((resource) => right(verb, group, resource)))),
  );
  return [...new Set(rights)].toSorted();
}

const CREATED = 201;

/** Which rights these calls needed, in the same words. Creating by an apply is a patch, and needs both where nothing is there yet. */
export function usedRights(calls: readonly AuditEvent[]): string[] {
  const rights = calls.flatMap(({ verb, objectRef, responseStatus }) => {
    if (objectRef?.resource === undefined) return [];
    const { resource, subresource, apiGroup = "" } = objectRef;
    const verbs = responseStatus?.code === CREATED ? [verb, "create"] : [verb];
    return verbs.map((each) =>
      right(each, apiGroup, subresource === undefined ? resource : `${resource}/${subresource}`),
    );
  });
  return [...new Set(rights)].toSorted();
}

function right(verb: string, group: string, resource: string): string {
  const [name, subresource] = resource.split("/");
  const full = group === "" ? name : `${name}.${group}`;
  return `${verb} ${subresource === undefined ? full : `${full}/${subresource}`}`;
}

/** Calls that an account was not allowed to make. */
export function forbiddenCalls(calls: readonly AuditEvent[]): string[] {
  return calls
    .filter(({ responseStatus }) => responseStatus?.code === 403 || responseStatus?.code === 401)
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
}
