import { existsSync } from "node:fs";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CompiledPolicy } from "@heauth/core/policy";
import type { Clock, Fail, Logger, Metrics, Part } from "@heauth/program";
import { markFile } from "../drain/mark.ts";
import { adminSocketIn } from "./envoy-admin.ts";
import { ListenersFile } from "./listeners-file.ts";
import { createListeningWatch, type TellListening } from "./listening.ts";
import { createPassthroughCount } from "./passthrough-count.ts";
import { NO_POLICY, podBootstrap, podListeners } from "./pod.ts";

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
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fail: Fail;
}

export interface ShownPolicy {
  readonly compiled: CompiledPolicy;
  readonly digest: string;
}

/** What the Envoy of this pod reads. Envoy is a container of its own, that starts after this has. */
export interface PodEnvoy extends Part {
  /** Opens this policy's ports, and closes all others. */
  readonly show: (policy: ShownPolicy, tell: TellListening) => void;
  /** No policy is in force: nothing is let through any more, and what the last one protected is left to the sidecar, which denies. */
  readonly showNone: () => void;
}

/**
 * Writes Envoy's configuration. Listeners that are there already stay until a policy comes: Envoy runs on while a sidecar starts again, and
 * what it asks meanwhile is denied. A folder that can't be written ends the process: Envoy would go on by another policy's ports.
 */
export function createPodEnvoy(options: PodEnvoyOptions): PodEnvoy {
  const { folder, port, sidecarSocket, metrics, clock, log, fail } = options;
  const adminSocket = adminSocketIn(folder);
  const listenersFile = join(folder, "listeners.json");
  const file = new ListenersFile(listenersFile);
  const settings = { port, ipv6: existsSync(IPV6_ADDRESSES), authorizerTimeoutMs: AUTHORIZER_TIMEOUT_MS };
  const listeningWatch = createListeningWatch({ adminSocket, file, log });
  const passthroughCount = createPassthroughCount({ adminSocket, metrics, clock, log });
  let shown: ShownPolicy | undefined;
  let isStopped = false;
  let last: Promise<void> = Promise.resolve();

  function put(policy: ShownPolicy | undefined, whenWritten = () => {}): void {
    listeningWatch.stop();
    shown = policy;
    const { digest = NO_POLICY, compiled: { ports = [], passthroughPorts = [] } = {} } = policy ?? {};
    last = file.write(podListeners(policy, settings)).then(
      (isNew) => {
        if (isNew) log.info({ ports, passthroughPorts, digest }, "Envoy's listeners written");
        if (shown === policy && !isStopped) whenWritten();
      },
      (error) => fail(error, EX_IOERR),
    );
  }

  return {
    name: "pod-envoy",
    async start() {
      isStopped = false;
      await mkdir(folder, { recursive: true });
      // Envoy makes its socket there. Not by mkdir's own mode, which the umask cuts.
      await chmod(folder, 0o770);
      const bootstrap = podBootstrap({ sidecarSocket, adminSocket, listenersFile, drainingFile: markFile(folder) });
      await writeFile(join(folder, "bootstrap.json"), bootstrap, { mode: 0o640 });
      const isThere = await access(listenersFile).then(
        () => true,
        () => false,
      );
      if (!isThere) await file.write(podListeners(undefined, settings));
      await passthroughCount.start();
    },
    async stop(deadline) {
      isStopped = true;
      listeningWatch.stop();
      await passthroughCount.stop(deadline);
      await last;
    },
    show(policy, tell) {
      put(policy, () => listeningWatch.follow(policy.digest, tell));
    },
    showNone() {
      put(shown && withoutPassthrough(shown));
    },
  };
}

function withoutPassthrough(policy: ShownPolicy): ShownPolicy {
  const { passthroughPorts: _, ...compiled } = policy.compiled;
  return { compiled, digest: NO_POLICY };
}
