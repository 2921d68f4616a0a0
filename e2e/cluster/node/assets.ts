import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { kubeAssets } from "../../kube/assets.ts";

/** What setup/kube.sh and setup/cluster.sh have got. */
export interface NodeAssets {
  /** Path of one of Kubernetes' programs, or of etcd. */
  program(name: string): string;
  readonly helm: string;
  /** Where buildah keeps layers and images. */
  readonly buildah: { readonly root: string; readonly run: string };
  /** Archives to be imported, and what pods call them. */
  readonly images: Readonly<Record<"pause" | "coredns", { readonly file: string; readonly name: string }>>;
  /** A Debian, in buildah's store. */
  readonly base: string;
}

const HERE = join(import.meta.dirname, "..");

/** Throws when something is missing. */
export function nodeAssets(): NodeAssets {
  const kube = kubeAssets();
  if (kube === undefined) throw new Error("there is no Kubernetes on this machine; setup/kube.sh builds one");
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "heauth");
  const versions = readFileSync(join(HERE, "versions.env"), "utf8");
  const key = createHash("sha256")
    .update(versions)
    .update(readFileSync(join(HERE, "images/pause.go")))
    .digest("hex")
    .slice(0, 16);
  const image = (name: string) => ({
    file: there(join(cache, `images-${key}`, `${name}.tar`)),
    name: `localhost/heauth-e2e/${name}:${key}`,
  });
  return {
    program: (name) => there(join(dirname(kube.etcd), name)),
    helm: there(join(cache, `helm-${/^HELM=(.*)$/m.exec(versions)?.[1]}`, "helm")),
    buildah: { root: join(cache, "buildah/root"), run: join(cache, "buildah/run") },
    images: { pause: image("pause"), coredns: image("coredns") },
    base: `localhost/heauth-e2e/base:${key}`,
  };
}

function there(path: string): string {
  if (existsSync(path)) return path;
  throw new Error(`there is no ${path}; setup/kube.sh and setup/cluster.sh make it (without KUBEBUILDER_ASSETS)`);
}
