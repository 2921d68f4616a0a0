import type { RequestOptions } from "node:https";
import type { Cluster, User } from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { type Access, bearer, freshFile, type TlsOptions } from "./access.ts";
import { ClusterError } from "./errors.ts";
import { material } from "./material.ts";

type Login = Pick<Access, "credentials" | "forget">;

/** How a kubeconfig's user signs in. Its token wins over an exec plugin, as with kubectl. */
export function login(
  user: User & { readonly tokenFile: string | undefined },
  at: (path: string) => string,
  cluster: Cluster,
  invalid: (problem: string) => ClusterError,
): Login {
  if (user.authProvider) {
    throw invalid(`auth-provider is not supported (user ${JSON.stringify(user.name)}); use an exec plugin`);
  }
  if (user.username) throw invalid("user name and password are not supported; the API server has given them up");
  const { tokenFile, token, certFile, certData, keyFile, keyData, impersonateUser } = user;
  const cert = material(certFile ? at(certFile) : undefined, certData);
  const key = material(keyFile ? at(keyFile) : undefined, keyData);
  const plugin = user.exec && !token && !tokenFile ? execPlugin(user, cluster) : undefined;

  return {
    async credentials() {
      const [certPem, keyPem, fromPlugin] = await Promise.all([cert(), key(), plugin?.credentials()]);
      const fromFile = tokenFile ? bearer(await freshFile(at(tokenFile))) : {};
      return {
        headers: {
          ...(token ? bearer(token) : {}),
          ...fromFile,
          ...fromPlugin?.headers,
          ...(impersonateUser && { "impersonate-user": impersonateUser }),
        },
        tls: { ...(certPem && { cert: certPem }), ...(keyPem && { key: keyPem }), ...fromPlugin?.tls },
      };
    },
    forget: () => plugin?.forget(),
  };
}

/** client-go's credential plugins. The client's own runner leaves out KUBERNETES_EXEC_INFO, without which some refuse to run. */
function execPlugin(user: User, cluster: Cluster): Login {
  const info = {
    apiVersion: user.exec.apiVersion,
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(user.exec.provideClusterInfo && {
        cluster: { server: cluster.server, "certificate-authority-data": cluster.caData },
      }),
    },
  };
  const env = [...(user.exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
  const exec = { ...user.exec, env };
  let runner = new ExecAuth();
  return {
    async credentials() {
      const options: RequestOptions = { headers: {} };
      try {
        await runner.applyAuthentication({ ...user, exec }, options);
      } catch (error) {
        // Its output may hold what it should not; the user can run it.
        throw new ClusterError("Unauthorized", `the kubeconfig's exec plugin ${exec.command} failed`, {
          cause: (error as NodeJS.ErrnoException).code,
        });
      }
      const { cert, key, headers } = options;
      const tls: TlsOptions = { ...(cert && { cert: cert as string }), ...(key && { key: key as string }) };
      return { headers: headers as Record<string, string>, tls };
    },
    forget() {
      runner = new ExecAuth();
    },
  };
}
