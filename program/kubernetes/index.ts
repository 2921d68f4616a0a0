export type { CallOptions } from "./call.ts";
export type { ClusterClient, ListOptions, Page, Selection, WatchOptions } from "./client.ts";
export { type Cluster, type ClusterOptions, openCluster } from "./cluster.ts";
export { ClusterError, type ClusterErrorCode, type ClusterErrorOptions, isClusterError } from "./errors.ts";
export type { KubeObject, ObjectMeta, ObjectName, OwnerReference, WatchEvent } from "./objects.ts";
export {
  AUTH_POLICIES,
  apiVersionOf,
  CONFIG_MAPS,
  EVENTS,
  LEASES,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  PODS,
  type ResourceType,
  SECRETS,
  SERVICE_ACCOUNTS,
  TENANTS,
  TOKEN_REVIEWS,
  VALIDATING_WEBHOOKS,
} from "./resource-types.ts";
