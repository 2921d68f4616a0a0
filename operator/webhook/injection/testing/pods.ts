import type { PodPolicy } from "../answer-pod.ts";
import { inject } from "../inject.ts";
import { type Container, type Pod, readPod } from "../pod.ts";
import type { InjectionSettings } from "../settings.ts";

const resources = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } };

export const settings: InjectionSettings = {
  images: { heauth: "heauth:1", envoy: "heauth-envoy:1", pullPolicy: "IfNotPresent" },
  hub: "https://heauth-hub.heauth-system.svc:8443",
  hubCa: { name: "heauth-hub-ca", key: "ca.crt" },
  identityKeys: { name: "heauth-ledger-keys", key: "keys.json" },
  ids: { sidecar: 43_288, envoy: 43_289, group: 43_288 },
  ports: { envoy: 15_006, health: 15_020 },
  walQuota: 1024,
  walClaims: false,
  resources: { redirect: resources, heauth: resources, envoy: resources },
  namespace: "heauth-system",
};

export const policy: PodPolicy = {
  namespace: "shop",
  name: "web",
  createdAtMs: 1,
  selector: { matchLabels: { app: "web" } },
  ports: [8080],
};

export const app = { name: "app", image: "app", ports: [{ name: "http", containerPort: 8080 }] };

/** A pod that policy `web` selects, with parts of its spec, or of its only container, replaced. */
export function podOf(spec: object = {}, container: object = {}, annotations?: Record<string, string>) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "web-", namespace: "shop", labels: { app: "web" }, ...(annotations && { annotations }) },
    spec: { serviceAccountName: "web", containers: [{ ...app, ...container }], ...spec },
  };
}

export function read(object: object): Pod {
  const pod = readPod(object);
  if (pod === undefined) throw new Error("no pod");
  return pod;
}

/** The injected pod; throws where it is refused. */
export function injected(object: object, more: Partial<InjectionSettings> = {}): Pod {
  const result = inject(read(object), { ...settings, ...more });
  if ("refusal" in result) throw new Error(result.refusal.message);
  return result.pod;
}

export function containerOf({ spec }: Pod, name: string): Container {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find((each) => each.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}
