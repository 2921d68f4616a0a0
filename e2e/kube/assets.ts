import { createHash } from "node:crypto";
import { accessSync, constants, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Paths of the real things. */
export interface KubeAssets {
  readonly etcd: string;
  readonly kubeApiserver: string;
  readonly kubectl: string;
  readonly kubeControllerManager?: string;
}

/** What `KUBEBUILDER_ASSETS` names, else what `setup/kube.sh` has built into the cache folder; undefined when there is neither. */
export function kubeAssets(environment: NodeJS.ProcessEnv = process.env): KubeAssets | undefined {
  const folder = environment["KUBEBUILDER_ASSETS"] || cacheFolder(environment);
  const [etcd, kubeApiserver, kubectl] = ["etcd", "kube-apiserver", "kubectl"].map((name) => join(folder, name));
  const manager = join(folder, "kube-controller-manager");
  if (etcd === undefined || kubeApiserver === undefined || kubectl === undefined) return undefined;
  if (![etcd, kubeApiserver, kubectl].every(runs)) return undefined;
  return { etcd, kubeApiserver, kubectl, ...(runs(manager) ? { kubeControllerManager: manager } : {}) };
}

/** The same as in setup/kube.sh. */
function cacheFolder(environment: NodeJS.ProcessEnv): string {
  const key = createHash("sha256");
  for (const name of ["go.sum", "main.go"]) key.update(readFileSync(join(import.meta.dirname, name)));
  const cache = environment["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(cache, "heauth", `kube-${key.digest("hex").slice(0, 16)}`);
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
