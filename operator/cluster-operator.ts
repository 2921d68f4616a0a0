import { inOrder, type Part } from "@heauth/program";
import type { ClusterClient } from "@heauth/program/kubernetes";
import { ClusterAnchors } from "./anchor/cluster-anchors.ts";
import { RetainedAnchors } from "./anchor/retained.ts";
import { createOperator, type OperatorOptions } from "./app.ts";
import { createElector } from "./runtime/elector.ts";
import { createEvents } from "./runtime/events.ts";
import { leadTogether } from "./runtime/lead-together.ts";
import { KubernetesSource } from "./source/kubernetes/kubernetes-source.ts";
import { clusterPodLives } from "./source/kubernetes/pod-lives.ts";
import type { ResourceKey } from "./source/source.ts";
import { createKubernetesAlerts } from "./status/kubernetes-alerts.ts";
import { KubernetesFailures } from "./status/kubernetes-failures.ts";
import { KubernetesStatus } from "./status/kubernetes-status.ts";
import type { Trust, TrustOptions } from "./trust/trust.ts";

export interface ClusterOperatorOptions
  extends Pick<
    OperatorOptions,
    | "database"
    | "ledgerWriter"
    | "programKeys"
    | "issuer"
    | "now"
    | "log"
    | "metrics"
    | "blockGraceMs"
    | "resyncMs"
    | "lostAfterMs"
  > {
  readonly client: ClusterClient;
  /** heauth's own: its Secrets, its Lease and the anchors of tenants without a resource are there. */
  readonly namespace: string;
  /** Of this process, and of no other ever. */
  readonly identity: string;
  /** What sidecars trust, and the hub's certificate, are looked after only where this is given. */
  readonly trust?: (parts: Omit<TrustOptions, "secret" | "service" | "ledgerKeys">) => Trust;
  /** How long others leave a Lease alone that is not renewed; 15 s unless given. */
  readonly leaseMs?: number;
  /** How often a tenant's anchor is written at most; every 30 s unless given. */
  readonly anchorIntervalMs?: number;
}

export interface ClusterOperator extends Part {
  /** Why it could not take over at once: not everything has been read yet. */
  problem(): string | undefined;
}

const LEASE = "heauth-operator";
const CONTROLLER = "heauth.io/operator";
const ANCHORS_WITHIN_MS = 8_000;
const EVENTS_WITHIN_MS = 2_000;

/** The operator on Kubernetes: resources, statuses and anchors are the API server's, and a Lease says which one reconciles. */
export function createClusterOperator(options: ClusterOperatorOptions): ClusterOperator {
  const { client, namespace, identity, leaseMs, anchorIntervalMs, log, metrics } = options;
  const source = new KubernetesSource({ client, namespace, log, metrics });
  const keeper = new RetainedAnchors(client, namespace);
  const anchors = new ClusterAnchors({
    client,
    keeper,
    seen: (name) => source.kept({ kind: "Tenant", namespace: "", name }),
    ...(anchorIntervalMs !== undefined && { everyMs: anchorIntervalMs }),
    log,
    metrics,
  });
  const events = createEvents({ client, reportingController: CONTROLLER, reportingInstance: identity, log });
  const kept = (key: ResourceKey) => source.kept(key);
  const trust = options.trust?.({ client, namespace, events, replica: identity, log, metrics });
  const operator = createOperator({
    ...options,
    resourceSource: source,
    pods: clusterPodLives(client, source),
    anchors,
    anchorKeeper: keeper,
    statusSink: new KubernetesStatus({ client, kept, events, log }),
    failureSink: new KubernetesFailures({ client, kept, events }),
    alertTeller: createKubernetesAlerts({ kept, events }),
    leadership: (lead) =>
      createElector({
        client,
        namespace,
        name: LEASE,
        identity,
        ...(leaseMs !== undefined && { leaseMs }),
        lead: trust === undefined ? lead : leadTogether(lead, trust.lead),
        log,
        metrics,
      }),
  });
  const helpers = [within(EVENTS_WITHIN_MS, events), within(ANCHORS_WITHIN_MS, anchors)];
  const parts = [...helpers, ...(trust === undefined ? [] : [trust]), operator];
  return { ...inOrder("operator", parts, log), problem: () => source.problem() };
}

/** An API server that is away or does not answer must not use up the time that the journals need to end. */
function within(ms: number, part: Part): Part {
  return {
    name: part.name,
    start: () => part.start(),
    stop: (deadline) => part.stop(AbortSignal.any([deadline, AbortSignal.timeout(ms)])),
  };
}
