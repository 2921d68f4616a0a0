import { logClaim } from "./log-claim.ts";
import { HUB_AUDIENCE, VOLUMES } from "./names.ts";
import type { Pod, Volume } from "./pod.ts";
import type { ConfigMapKey, InjectionSettings } from "./settings.ts";

/** For sockets and Envoy's configuration. */
const RUN_SIZE = "16Mi";
const TOKEN_SECONDS = 3_600;
/** 0644: kubelet gives the files to root, and only our containers mount them. */
const MODE = 420;

/** Files as our containers find them in their folders. */
export const FILES = { token: "token", hubCa: "hub-ca.crt", identityKeys: "ledger-keys.json" } as const;

/** Room for the write-ahead log: its quota, and a quarter for what waits to be deleted. */
export function walSize({ walQuota }: Pick<InjectionSettings, "walQuota">): string {
  const size = Math.ceil(walQuota * 1.25);
  // As Kubernetes itself writes it, so that it comes back as it went.
  return size % 1024 === 0 ? `${size / 1024}Gi` : `${size}Mi`;
}

/** What a pod gets beside its own volumes; a claim for the log is one of those. */
export function volumesFor(pod: Pod, settings: InjectionSettings): Volume[] {
  const token = { audience: HUB_AUDIENCE, expirationSeconds: TOKEN_SECONDS, path: FILES.token };
  return [
    { name: VOLUMES.run, emptyDir: { sizeLimit: RUN_SIZE } },
    ...(logClaim(pod) === undefined ? [{ name: VOLUMES.wal, emptyDir: { sizeLimit: walSize(settings) } }] : []),
    { name: VOLUMES.token, projected: { defaultMode: MODE, sources: [{ serviceAccountToken: token }] } },
    {
      name: VOLUMES.trust,
      projected: {
        defaultMode: MODE,
        sources: [configMap(settings.hubCa, FILES.hubCa), configMap(settings.identityKeys, FILES.identityKeys)],
      },
    },
  ];
}

function configMap({ name, key }: ConfigMapKey, path: string) {
  return { configMap: { name, items: [{ key, path }] } };
}
