import { randomBytes } from "node:crypto";
import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";
import { type Answer, type Asker, askFrom, type Question } from "./ask.ts";
import { appObjects, type SceneOptions } from "./objects.ts";

const READY_WITHIN = "--timeout=120s";

/** A namespace with a protected app, and a Tenant of the same name. */
export interface Scene {
  /** Of the namespace, the Tenant, and the policy's and the token's audience. */
  readonly name: string;
  /** `http://` address of the app's Service. */
  readonly url: string;
  /** A pod that no policy selects. */
  readonly client: Asker;
  /** kubectl in the namespace; rejects when it fails. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Sends a request from the client to the app's Service, or to another URL. */
  ask(question: Omit<Question, "url"> & { readonly path?: string; readonly url?: string }): Promise<Answer>;
  /** Takes the Tenant and the namespace away. */
  remove(): Promise<void>;
}

/**
 * Makes a namespace with injection, a Tenant, an AuthPolicy and a plain app that it selects; answers when the app's pods are ready and the
 * policy is in force in all of them. Names are new each time.
 */
export async function createScene(cluster: InstalledCluster, options: SceneOptions = {}): Promise<Scene> {
  const name = `e2e-${randomBytes(4).toString("hex")}`;
  const kubectl = (args: readonly string[], input?: string) =>
    must(cluster.kubectl([`--namespace=${name}`, ...args], input));
  const scene: Scene = {
    name,
    url: `http://app.${name}`,
    client: { namespace: name, pod: "client" },
    kubectl,
    ask: ({ path = "/", url = `${scene.url}${path}`, ...others }) => askFrom(cluster, scene.client, { url, ...others }),
    async remove() {
      await must(cluster.kubectl(["delete", "tenant", name, "--ignore-not-found", "--wait=false"]));
      await must(cluster.kubectl(["delete", "namespace", name, "--ignore-not-found", "--wait=false"]));
    },
  };
  try {
    const { resources, workloads } = appObjects(name, cluster.images.echo, options);
    await kubectl(["apply", "--filename=-"], resources);
    await must(cluster.kubectl(["wait", `tenant/${name}`, "--for=condition=Ready", READY_WITHIN]));
    await kubectl(["wait", "authpolicy/app", "--for=condition=Accepted", READY_WITHIN]);
    await kubectl(["apply", "--filename=-"], workloads);
    await kubectl(["rollout", "status", "deployment/app", READY_WITHIN]);
    await kubectl(["wait", "pod/client", "--for=condition=Ready", READY_WITHIN]);
    await kubectl(["wait", "authpolicy/app", "--for=condition=Enforced", READY_WITHIN]);
    return scene;
  } catch (error) {
    const pods = await cluster.kubectl([`--namespace=${name}`, "get", "pods,events,authpolicies", "-o", "wide"]);
    await scene.remove();
    throw new Error(`${error}\n${pods.stdout}`, { cause: error });
  }
}
