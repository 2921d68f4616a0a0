import { getTenant } from "@heauth/operator";
import { type ClusterError, type ClusterErrorCode, isClusterError, openCluster } from "@heauth/program/kubernetes";
import { CliError } from "../errors.ts";

const DEADLINE_MS = 10_000;

const AWAY: readonly ClusterErrorCode[] = ["Unreachable", "Timeout", "TooManyRequests", "ServerError"];

/**
 * The anchor in a Tenant's status; undefined when it has none.
 * @param kubeconfig a file; without it the pod's service account
 * @throws CliError where it can't be told: no cluster, a server that does not answer, no such Tenant, no right to read it
 */
export async function readKubeAnchor(tenant: string, kubeconfig: string | undefined): Promise<string | undefined> {
  try {
    const { client, server } = await openCluster({ kubeconfig });
    const found = await getTenant(client, tenant, DEADLINE_MS).catch((error: unknown) => {
      throw isClusterError(error) ? unread(tenant, server, error) : error;
    });
    if (found === undefined) throw new CliError("InvalidOption", `there is no Tenant ${tenant} at ${server}`);
    return found.status?.ledger?.note;
  } catch (error) {
    if (isClusterError(error)) throw new CliError("InvalidOption", `the cluster: ${error.message}`);
    throw error;
  }
}

function unread(tenant: string, server: string, { code, message }: ClusterError): CliError {
  if (AWAY.includes(code)) {
    return new CliError("NotReady", `the anchor can't be read: ${server} does not answer (${message})`);
  }
  return new CliError(
    "InvalidOption",
    `the anchor can't be read: ${server} refuses to show the Tenant ${tenant} (${message})`,
  );
}
