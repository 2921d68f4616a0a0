import { commonSettings, setting } from "@heauth/program";
import * as z from "zod";
import { kubeletChecksText } from "./health-port/index.ts";

const MiB = 1024 * 1024;

const settings = z.object({
  ...commonSettings,
  hub: setting(z.string().refine(isHub, "must be unix:/… or https://HOST:PORT"), {
    description: "Where the hub is: a unix socket, or https://HOST:PORT (then with hubCa and hubToken).",
    example: "unix:/run/heauth/hub.sock",
  }),
  hubCa: setting(z.string().startsWith("/").optional(), {
    description: "File of the certificate authorities that vouch for the hub (PEM); read again when it is replaced.",
    example: "/etc/heauth/hub-ca.crt",
  }),
  hubToken: setting(z.string().startsWith("/").optional(), {
    description: "File of the pod's service account token for the hub; read again when it is replaced.",
    example: "/var/run/secrets/heauth/hub-token",
  }),
  socket: setting(z.string().startsWith("/"), {
    description: "Unix socket on which Envoy asks (HTTP ext_authz).",
    example: "/run/heauth/ext-authz.sock",
  }),
  wal: setting(z.string().startsWith("/"), {
    description: "Folder of the write-ahead log; it must outlive the process.",
    example: "/var/lib/heauth/wal",
  }),
  walQuota: setting(z.int().min(4).max(1_000_000).default(1024), {
    description: "The most that the write-ahead log may take, in MiB.",
    example: "1024",
  }),
  podEnvoy: setting(z.string().startsWith("/").optional(), {
    description: "Folder in which Envoy's configuration is written, for the Envoy of this pod; only with podEnvoyPort.",
    example: "/run/heauth/envoy",
  }),
  podEnvoyPort: setting(z.int().min(1).max(65_535).optional(), {
    description: "Where the pod's inbound connections are redirected to, and Envoy listens.",
    example: "15006",
  }),
  healthPort: setting(z.int().min(1).max(65_535).optional(), {
    description: "Where the kubelet asks, on every address of the pod's; only with podEnvoy.",
    example: "15020",
  }),
  kubeletChecks: setting(kubeletChecksText.prefault("{}"), {
    description: "What the health port does in the kubelet's place, by container and kind of probe or hook (JSON).",
    example: '{"app/readiness":{"httpGet":{"path":"/ready","port":8080}}}',
    // Probes may send a password along.
    holds: "secret",
  }),
  identityKeys: setting(z.string().startsWith("/"), {
    description:
      "Pinned program keys (ledger-keys.json): only sessions that identity's keys vouch for exist; read again when it is replaced.",
    example: "/etc/heauth/ledger-keys.json",
  }),
});

/** The sidecar's settings. */
export const sidecarSettings = settings.superRefine(({ hub, podEnvoy, podEnvoyPort, ...others }, context) => {
  const { healthPort, kubeletChecks } = others;
  if (healthPort !== undefined && podEnvoy === undefined) {
    context.addIssue({ code: "custom", path: ["podEnvoy"], message: "is needed with healthPort" });
  }
  if (healthPort === undefined && Object.keys(kubeletChecks).length > 0) {
    context.addIssue({ code: "custom", path: ["healthPort"], message: "is needed with kubeletChecks" });
  }
  if ((podEnvoy === undefined) !== (podEnvoyPort === undefined)) {
    const [missing, given] = podEnvoy === undefined ? ["podEnvoy", "podEnvoyPort"] : ["podEnvoyPort", "podEnvoy"];
    context.addIssue({ code: "custom", path: [missing as string], message: `is needed with ${given}` });
  }
  if (!hub.startsWith("https:")) return;
  for (const key of ["hubCa", "hubToken"] as const) {
    const message = "is needed for a hub at https://";
    if (others[key] === undefined) context.addIssue({ code: "custom", path: [key], message });
  }
});

export type SidecarConfig = z.output<typeof sidecarSettings>;

function isHub(text: string): boolean {
  if (text.startsWith("unix:/")) return true;
  const url = URL.parse(text);
  return url?.protocol === "https:" && url.pathname === "/" && `${url.search}${url.hash}${url.username}` === "";
}

/** Quota and file size of the write-ahead log, in bytes: a sixteenth each, at most 64 MiB. */
export function walLimits({ walQuota }: Pick<SidecarConfig, "walQuota">): { quota: number; fileSize: number } {
  const quota = walQuota * MiB;
  return { quota, fileSize: Math.min(64 * MiB, Math.max(MiB / 4, Math.floor(quota / 16))) };
}
