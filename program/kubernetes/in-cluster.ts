import { isIPv6 } from "node:net";
import { join } from "node:path";
import { type Access, bearer, freshFile } from "./access.ts";
import { ClusterError } from "./errors.ts";

/** Where the kubelet mounts the service account's token, CA and namespace. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The way of a pod: its service account. */
export async function inCluster(environment: NodeJS.ProcessEnv, folder = SERVICE_ACCOUNT): Promise<Access> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port) {
    throw new ClusterError(
      "NoCluster",
      "no Kubernetes API server: not in a pod (KUBERNETES_SERVICE_HOST is not set), so give --kubeconfig FILE",
    );
  }
  const namespace = (await freshFile(join(folder, "namespace"))).toString().trim();
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    namespace,
    async credentials() {
      const [token, ca] = await Promise.all([freshFile(join(folder, "token")), freshFile(join(folder, "ca.crt"))]);
      return { headers: bearer(token), tls: { ca } };
    },
    forget: () => {},
  };
}
