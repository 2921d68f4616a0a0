import { commonSettings, setting } from "@heauth/program";
import * as z from "zod";

const MiB = 1024 * 1024;

/** The sidecar's settings. */
export const sidecarSettings = z.object({
  ...commonSettings,
  hub: setting(z.string().startsWith("unix:/"), {
    description: "Where the hub is.",
    example: "unix:/run/heauth/hub.sock",
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
  identityKeys: setting(z.string().startsWith("/"), {
    description: "Pinned program keys (ledger-keys.json): only sessions that identity's keys vouch for exist.",
    example: "/etc/heauth/ledger-keys.json",
  }),
});

export type SidecarConfig = z.output<typeof sidecarSettings>;

/** Quota and file size of the write-ahead log, in bytes: a sixteenth each, at most 64 MiB. */
export function walLimits({ walQuota }: Pick<SidecarConfig, "walQuota">): { quota: number; fileSize: number } {
  const quota = walQuota * MiB;
  return { quota, fileSize: Math.min(64 * MiB, Math.max(MiB / 4, Math.floor(quota / 16))) };
}
