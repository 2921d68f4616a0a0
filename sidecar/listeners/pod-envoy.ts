import { existsSync } from "node:fs";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CompiledPolicy } from "@heauth/core/policy";
import type { Fail, Logger, Part } from "@heauth/program";
import { ListenersFile } from "./listeners-file.ts";
import { podBootstrap, podListeners } from "./pod.ts";

/** How long an authorisation may take. */
const AUTHORIZER_TIMEOUT_MS = 5_000;
/** sysexits.h EX_IOERR. */
const EX_IOERR = 74;
/** There is none where the kernel has no IPv6. */
const IPV6_ADDRESSES = "/proc/net/if_inet6";

export interface PodEnvoyOptions {
  /** For bootstrap.json, listeners.json and Envoy's admin.sock; made when absent, for us and our group. */
  readonly folder: string;
  readonly port: number;
  readonly sidecarSocket: string;
  readonly log: Logger;
  readonly fail: Fail;
}

/** What the Envoy of this pod reads. Envoy is a container of its own, that starts after this has. */
export interface PodEnvoy extends Part {
  /** Opens this policy's ports, and closes all others. */
  readonly show: (policy: { readonly compiled: CompiledPolicy; readonly digest: string }) => void;
}

/**
 * Writes Envoy's configuration. Listeners that are there already stay until a policy comes: Envoy runs on while a sidecar starts again, and
 * what it asks meanwhile is denied. A folder that can't be written ends the process: Envoy would go on by another policy's ports.
 */
export function createPodEnvoy({ folder, port, sidecarSocket, log, fail }: PodEnvoyOptions): PodEnvoy {
  const listenersFile = join(folder, "listeners.json");
  const file = new ListenersFile(listenersFile);
  const settings = { port, ipv6: existsSync(IPV6_ADDRESSES), authorizerTimeoutMs: AUTHORIZER_TIMEOUT_MS };
  let last: Promise<void> = Promise.resolve();
  return {
    name: "pod-envoy",
    async start() {
      await mkdir(folder, { recursive: true });
      // Envoy makes its socket there. Not by mkdir's own mode, which the umask cuts.
      await chmod(folder, 0o770);
      const adminSocket = join(folder, "admin.sock");
      await writeFile(join(folder, "bootstrap.json"), podBootstrap({ sidecarSocket, adminSocket, listenersFile }), {
        mode: 0o640,
      });
      const isThere = await access(listenersFile).then(
        () => true,
        () => false,
      );
      if (!isThere) await file.write(podListeners(undefined, settings));
    },
    stop: () => last,
    show({ compiled, digest }) {
      last = file.write(podListeners({ compiled, digest }, settings)).then(
        () => log.info({ ports: compiled.ports, digest }, "Envoy's listeners written"),
        (error) => fail(error, EX_IOERR),
      );
    },
  };
}
