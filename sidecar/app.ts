import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parsePinnedKeys } from "@heauth/core/ledger";
import { features } from "@heauth/core/policy";
import type { Clock, Fail, Health, Logger, Metrics, Part } from "@heauth/program";
import { createAuthorize } from "./authorize.ts";
import { type SidecarConfig, walLimits } from "./config.ts";
import { createDecisionMetrics } from "./decision-metrics.ts";
import { createDrain } from "./drain/drain.ts";
import { createExtAuthzServer } from "./ext-authz/server.ts";
import { featuresOutsidePods, misfitInPod, misfitOutsidePods } from "./fits.ts";
import { createHubConnection, hubAddress } from "./hub/index.ts";
import { createPodEnvoy } from "./listeners/index.ts";
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

/** The sidecar's parts, in the order of their start: records and the hub, then the socket that Envoy asks on. */
export async function createSidecar(parts: SidecarParts): Promise<Part[]> {
  const { config, version, clock, log, metrics, health, fail } = parts;
  const identityKeys = await readIdentityKeys(config.identityKeys);
  const { podEnvoy: folder, podEnvoyPort: port, socket } = config;
  const isInPod = folder !== undefined && port !== undefined;
  const hub = createHubConnection({
    address: hubAddress(config, log),
    version,
    features: isInPod ? features : featuresOutsidePods,
    clock,
    log,
    metrics,
  });
  const sessions = createSessionCache({ source: hub.sessions, identityKeys, clock, metrics });
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
    misfit: isInPod ? (policy) => misfitInPod(policy, [port]) : misfitOutsidePods,
    onPolicy: (policy) => envoy?.show(policy),
  });
  const authorize = createAuthorize({
    inForce: () => records.enforcement.current(),
    sessions,
    clock,
    metrics: createDecisionMetrics(metrics),
  });
  const server = createExtAuthzServer({ socket, forGroup: isInPod, authorize, log });
  const drain = folder === undefined ? undefined : createDrain({ podEnvoy: folder, records, log });
  return [envoy, records, drain, server].filter((part) => part !== undefined);
}

async function readIdentityKeys(file: string): Promise<ReadonlyMap<string, KeyObject>> {
  const pinned = parsePinnedKeys(await readFile(file, "utf8"));
  return new Map([...pinned.values()].filter(({ program }) => program === "identity").map(({ id, key }) => [id, key]));
}
