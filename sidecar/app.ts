import { features } from "@heauth/core/policy";
import type { Clock, Fail, Health, Labels, Logger, Metrics, Part } from "@heauth/program";
import { createAuthorize } from "./authorize.ts";
import { type SidecarConfig, walLimits } from "./config.ts";
import { createDecisionMetrics } from "./decision-metrics.ts";
import { createDrain } from "./drain/drain.ts";
import { createExtAuthzServer } from "./ext-authz/server.ts";
import { createHealthPort } from "./health-port/index.ts";
import { createHubConnection, hubAddress } from "./hub/index.ts";
import { createIdentityKeys, distrustLost } from "./identity-keys.ts";
import { adminSocketIn, createPodEnvoy } from "./listeners/index.ts";
import { featuresOutsidePods, misfitInPod, misfitOutsidePods } from "./misfit.ts";
import { createRecords } from "./records.ts";
import { createSessionCache } from "./sessions/index.ts";

export interface SidecarParts {
  readonly config: SidecarConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly fail: Fail;
}

/**
 * The sidecar's parts, in the order of their start: the kubelet's pages, which live longest; records and the hub; then the socket that Envoy
 * asks on.
 */
export function createSidecar(parts: SidecarParts): Part[] {
  const { config, version, clock, log, metrics, health, fail } = parts;
  const { podEnvoy: folder, podEnvoyPort: port, healthPort, socket } = config;
  const isInPod = folder !== undefined && port !== undefined;
  const address = hubAddress(config, log);
  const hub = createHubConnection({
    address,
    version,
    features: isInPod ? features : featuresOutsidePods,
    clock,
    log,
    metrics,
  });
  const identityKeys = createIdentityKeys({ file: config.identityKeys, log });
  const sessions = createSessionCache({ source: hub.sessions, identityKeys: identityKeys.current, clock, metrics });
  distrustLost(identityKeys, sessions);
  measureTrust(metrics, {
    "identity-keys": identityKeys,
    "hub-ca": address.network?.authorities,
    "hub-token": address.network?.token,
  });
  const envoy = isInPod
    ? createPodEnvoy({ folder, port, sidecarSocket: socket, metrics, clock, log, fail })
    : undefined;
  const records = createRecords({
    folder: config.wal,
    limits: walLimits(config),
    hub,
    sessions: sessions.listener,
    clock,
    log,
    metrics,
    health,
    fail,
    misfit: isInPod
      ? (policy) => misfitInPod(policy, [port, ...(healthPort === undefined ? [] : [healthPort])])
      : misfitOutsidePods,
    // Outside of pods Envoy's listeners are whoever's configures it.
    onPolicy: envoy?.show ?? ((_, tell) => tell()),
    onNoPolicy: () => envoy?.showNone(),
  });
  const authorize = createAuthorize({
    inForce: () => records.enforcement.current(),
    sessions,
    clock,
    metrics: createDecisionMetrics(metrics),
  });
  const server = createExtAuthzServer({ socket, forGroup: isInPod, authorize, log });
  const healthPage =
    healthPort === undefined || folder === undefined
      ? undefined
      : createHealthPort({
          port: healthPort,
          checks: config.kubeletChecks,
          envoyAdmin: adminSocketIn(folder),
          isStarted: () => server.isOpen,
          health,
          log,
        });
  const drain = folder === undefined ? undefined : createDrain({ podEnvoy: folder, records, log });
  return [healthPage, identityKeys, envoy, records, drain, server].filter((part) => part !== undefined);
}

type TrustFile = Labels<"heauth_trust_file_unusable">["file"];

function measureTrust(
  metrics: Metrics,
  files: Readonly<Record<TrustFile, { problem: string | undefined } | undefined>>,
): void {
  metrics.gauge("heauth_trust_file_unusable", () =>
    Object.entries(files).flatMap(([file, watched]) =>
      watched === undefined ? [] : [[{ file: file as TrustFile }, watched.problem === undefined ? 0 : 1] as const],
    ),
  );
}
