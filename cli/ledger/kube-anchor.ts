import { getTenant, RetainedAnchors } from "@heauth/operator";
import { type ClusterError, type ClusterErrorCode, isClusterError, openCluster } from "@heauth/program/kubernetes";
import { CliError } from "../errors.ts";

/** Where the operator keeps a tenant's anchor in a cluster. */
export interface KubeAnchorPlace {
  /** The Tenant's name. */
  readonly tenant: string;
  /** As the database has it; undefined where it has none of that name. */
  readonly tenantId: string | undefined;
  /** A file; without it the pod's service account. */
  readonly kubeconfig: string | undefined;
  /** heauth's own, where the anchors of deleted Tenants are. */
  readonly namespace?: string | undefined;
}

/** Where everything of heauth's is unless somebody chose another name. */
export const OWN_NAMESPACE = "heauth-system";
const DEADLINE_MS = 10_000;

const AWAY: readonly ClusterErrorCode[] = ["Unreachable", "Timeout", "TooManyRequests", "ServerError"];

/**
 * A tenant's anchor as the operator reads it: the one in the Tenant's status, else the one that was retained when its Tenant was
 * deleted. Undefined when there is a Tenant, and neither.
 * @throws CliError where it can't be told: no cluster, a server that does not answer, nothing of that name, no right to read it, or a
 *   Tenant of that name that is not the database's
 */
export async function readKubeAnchor(place: KubeAnchorPlace): Promise<string | undefined> {
  const { tenant, tenantId, kubeconfig, namespace = OWN_NAMESPACE } = place;
  try {
    const { client, server } = await openCluster({ kubeconfig });
    const reading = <T>(what: string, read: Promise<T>): Promise<T> =>
      read.catch((error: unknown) => {
        throw isClusterError(error) ? unread(what, server, error) : error;
      });
    const found = await reading(`the Tenant ${tenant}`, getTenant(client, tenant, DEADLINE_MS));
    const { tenantId: ofResource, ledger } = found?.status ?? {};
    if (ofResource !== undefined && tenantId !== undefined && ofResource !== tenantId) {
      throw new CliError(
        "InvalidOption",
        `the Tenant ${tenant} at ${server} is tenant ${ofResource}, and the database's ${tenant} is ${tenantId}: this is another cluster's database, or was changed`,
      );
    }
    const inStatus = ledger?.note;
    if (inStatus !== undefined) return inStatus;
    const keeper = new RetainedAnchors(client, namespace);
    const retained =
      tenantId === undefined
        ? undefined
        : await reading(`the anchors that are retained in ${namespace}`, keeper.retained(tenantId));
    if (found === undefined && retained === undefined) {
      throw new CliError(
        "InvalidOption",
        `there is no Tenant ${tenant} at ${server}, nor an anchor retained of one in namespace ${namespace}`,
      );
    }
    return retained;
  } catch (error) {
    if (isClusterError(error)) throw new CliError("InvalidOption", `the cluster: ${error.message}`);
    throw error;
  }
}

function unread(what: string, server: string, { code, message }: ClusterError): CliError {
  if (AWAY.includes(code)) {
    return new CliError("NotReady", `the anchor can't be read: ${server} does not answer (${message})`);
  }
  return new CliError("InvalidOption", `the anchor can't be read: ${server} refuses to show ${what} (${message})`);
}
