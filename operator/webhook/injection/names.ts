import { SIDECAR_CONTAINER } from "@heauth/core/resources";

/** What namespaces are labelled with; `required` refuses pods that no policy selects. */
export const INJECTION_LABEL = "heauth.io/injection";
/** What was done to a pod, and how it was before. */
export const INJECTED_ANNOTATION = "heauth.io/injected";
/** What a sidecar's token for the hub is good for. */
export const HUB_AUDIENCE = "heauth-hub";

/** Our containers, in the order in which they start. */
export const CONTAINERS = { redirect: "heauth-redirect", sidecar: SIDECAR_CONTAINER, envoy: "heauth-envoy" } as const;

/** Our volumes. */
export const VOLUMES = {
  run: "heauth-run",
  wal: "heauth-wal",
  token: "heauth-token",
  trust: "heauth-trust",
} as const;

/** Where our volumes are, in our containers only. */
export const FOLDERS = {
  run: "/run/heauth",
  wal: "/var/lib/heauth/wal",
  token: "/var/run/secrets/heauth",
  trust: "/etc/heauth",
} as const;

const containerNames: ReadonlySet<string> = new Set(Object.values(CONTAINERS));
const volumeNames: ReadonlySet<string> = new Set(Object.values(VOLUMES));

export function isOurContainer({ name }: { readonly name: string }): boolean {
  return containerNames.has(name);
}

export function isOurVolume({ name }: { readonly name: string }): boolean {
  return volumeNames.has(name);
}
