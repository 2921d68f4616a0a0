/** The allowed values of a label, or `open`: names, of which only the first few dozen are told apart. */
export type LabelValues = readonly string[] | "open";

export interface MetricSpec {
  type: "counter" | "gauge" | "histogram";
  description: string;
  labels: Readonly<Record<string, LabelValues>>;
  /** Upper bounds of a histogram's buckets. */
  buckets?: readonly number[];
}

const fastSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const slowSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const decision = ["Allow", "Deny"] as const;
/** Kinds that the webhook is asked about. */
const reviewed = ["Tenant", "AuthPolicy", "Pod", "other"] as const;

/**
 * Every metric of every program: the one list. No label may hold anything of a person (user, address, path, session), and every
 * label is bounded: a value outside its list, or beyond the number told apart, is counted as `other`.
 */
export const metricList = {
  heauth_build_info: {
    type: "gauge",
    description: "1, with the program's name and version",
    labels: { program: "open", version: "open" },
  },
  heauth_process_resident_bytes: { type: "gauge", description: "Resident memory", labels: {} },
  heauth_process_heap_bytes: { type: "gauge", description: "JavaScript heap in use", labels: {} },
  heauth_event_loop_delay_seconds: {
    type: "gauge",
    description: "99th percentile of the event loop's delay since the last scrape",
    labels: {},
  },
  heauth_child_restarts_total: {
    type: "counter",
    description: "Child processes started again",
    labels: { child: "open" },
  },

  heauth_decisions_total: {
    type: "counter",
    description: "Requests decided by the sidecar",
    labels: { decision, reason: "open" },
  },
  heauth_decision_seconds: {
    type: "histogram",
    description: "From a request's arrival at the sidecar to its answer",
    labels: { decision },
    buckets: fastSeconds,
  },
  heauth_stale_decisions_total: {
    type: "counter",
    description: "Requests decided on session state older than revalidateAfter",
    labels: {},
  },
  heauth_passthrough_total: {
    type: "counter",
    description: "Requests of public rules that were not recorded",
    labels: {},
  },
  heauth_passthrough_connections_total: {
    type: "counter",
    description: "TCP connections let through to ports that the policy opens to everybody, as Envoy counts them",
    labels: { port: "open" },
  },
  heauth_passthrough_bytes_total: {
    type: "counter",
    description: "Bytes of these connections, into the pod and out of it",
    labels: { port: "open", direction: ["in", "out"] },
  },
  heauth_session_cache_entries: { type: "gauge", description: "Sessions in the sidecar's cache", labels: {} },
  heauth_session_cache_lookups_total: {
    type: "counter",
    description: "Session look-ups by where the answer came from",
    labels: { from: ["cache", "hub", "unknown"] },
  },
  heauth_session_statements_refused_total: {
    type: "counter",
    description: "Sessions the hub told of that identity's keys do not vouch for",
    labels: {},
  },
  heauth_trust_file_unusable: {
    type: "gauge",
    description: "1 while a file that sidecars trust by can't be read, or is no good: the last good one counts",
    labels: { file: ["identity-keys", "hub-ca", "hub-token"] },
  },
  heauth_horizon_age_seconds: {
    type: "gauge",
    description: "Age of the moment up to which the sidecar knows of every revocation",
    labels: {},
  },
  heauth_policies_in_force: { type: "gauge", description: "Compiled policies in force", labels: {} },
  heauth_policies_refused_total: {
    type: "counter",
    description: "Policies that were not put in force",
    labels: {},
  },

  heauth_wal_bytes: { type: "gauge", description: "Write-ahead log in use", labels: {} },
  heauth_wal_quota_bytes: { type: "gauge", description: "The most that the write-ahead log may use", labels: {} },
  heauth_wal_flush_seconds: {
    type: "histogram",
    description: "Time to make one batch durable",
    labels: {},
    buckets: fastSeconds,
  },
  heauth_wal_batch_records: {
    type: "histogram",
    description: "Records made durable by one flush",
    labels: {},
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
  },
  heauth_wal_failures_total: { type: "counter", description: "Write-ahead logs given up", labels: {} },
  heauth_records_total: { type: "counter", description: "Records made durable", labels: {} },
  heauth_records_unshipped: { type: "gauge", description: "Records that the hub has not acknowledged", labels: {} },
  heauth_segments_shipped_total: { type: "counter", description: "Segments acknowledged by the hub", labels: {} },
  heauth_gaps_total: {
    type: "counter",
    description: "Gap records written: records that are lost, or may be",
    labels: { reason: "open" },
  },

  heauth_hub_connected: { type: "gauge", description: "1 while the stream to the hub stands", labels: {} },
  heauth_hub_call_failures_total: {
    type: "counter",
    description: "Calls to the hub that got no answer, by gRPC status",
    labels: { call: "open", code: "open" },
  },
  heauth_hub_streams: { type: "gauge", description: "Sidecars connected to this hub", labels: {} },
  heauth_hub_calls_total: {
    type: "counter",
    description: "Calls answered by the hub",
    labels: { call: "open", outcome: ["ok", "refused", "overloaded", "error"] },
  },
  heauth_hub_callers: { type: "gauge", description: "Sidecars whose token is remembered as good", labels: {} },
  heauth_token_reviews_total: {
    type: "counter",
    description:
      "Sidecars' tokens that the API server was asked about; stale: taken for what they were, as it gave no answer",
    labels: { outcome: ["accepted", "refused", "error", "stale"] },
  },
  heauth_token_review_seconds: {
    type: "histogram",
    description: "Time in which the API server tells whose a token is",
    labels: {},
    buckets: slowSeconds,
  },
  heauth_hub_segments_total: {
    type: "counter",
    description: "Segments that came in",
    labels: { outcome: ["stored", "repeated", "refused", "conflict"] },
  },
  heauth_outbox_events_total: { type: "counter", description: "Events relayed", labels: { type: "open" } },
  heauth_outbox_read_age_seconds: {
    type: "gauge",
    description: "Age of the last complete read of the outbox",
    labels: {},
  },

  heauth_http_requests_total: {
    type: "counter",
    description: "Requests of identity's API by route and status class",
    labels: { route: "open", status: ["2xx", "3xx", "4xx", "5xx"] },
  },
  heauth_http_request_seconds: {
    type: "histogram",
    description: "Time to answer a request of identity's API",
    labels: { route: "open" },
    buckets: slowSeconds,
  },
  heauth_logins_total: {
    type: "counter",
    description: "Logins by outcome",
    labels: { outcome: ["ok", "refused", "locked", "limited"] },
  },
  heauth_sessions_opened_total: { type: "counter", description: "Sessions opened", labels: {} },
  heauth_sessions_closed_total: { type: "counter", description: "Sessions closed", labels: { reason: "open" } },
  heauth_refreshes_total: {
    type: "counter",
    description: "Refresh tokens presented",
    labels: { outcome: ["rotated", "repeated", "reused", "refused"] },
  },

  heauth_log_size: { type: "gauge", description: "Entries of all tenants' logs", labels: {} },
  heauth_seals_total: {
    type: "counter",
    description: "Checkpoints signed",
    labels: { outcome: ["sealed", "refused", "error"] },
  },
  heauth_seal_lag_seconds: { type: "gauge", description: "Age of the oldest entry that is not sealed", labels: {} },
  heauth_anchor_writes_total: {
    type: "counter",
    description: "Attempts to write an anchor to the API server",
    labels: { outcome: ["ok", "refused", "error"] },
  },
  heauth_anchors_unwritten: {
    type: "gauge",
    description: "Tenants whose newest anchor is not with the API server yet",
    labels: {},
  },
  heauth_anchors_overdue: {
    type: "gauge",
    description: "Tenants whose newest anchor could not be written when it was due",
    labels: {},
  },
  heauth_blocks_closed_total: { type: "counter", description: "Blocks closed", labels: {} },
  heauth_private_parts_erased_total: {
    type: "counter",
    description: "Rows whose private parts were erased for their age",
    labels: {},
  },
  heauth_alert_deliveries_total: {
    type: "counter",
    description: "Attempts to deliver an alert",
    labels: { kind: ["webhook", "smtp"], outcome: ["ok", "retry", "given-up"] },
  },
  heauth_reconciles_total: {
    type: "counter",
    description: "Resources reconciled",
    labels: { kind: "open", outcome: ["ok", "invalid", "error"] },
  },
  heauth_reconcile_seconds: {
    type: "histogram",
    description: "Time of one reconciliation",
    labels: { queue: "open" },
    buckets: slowSeconds,
  },
  heauth_queue_depth: { type: "gauge", description: "Keys that wait for a worker", labels: { queue: "open" } },
  heauth_queue_retries_total: {
    type: "counter",
    description: "Reconciliations to be tried again: after a conflict, which is nobody's fault, or an error",
    labels: { queue: "open", reason: ["conflict", "error"] },
  },
  heauth_informer_lag_seconds: {
    type: "gauge",
    description: "Since the API server last said something; in quiet times it does so about once a minute",
    labels: { informer: "open" },
  },
  heauth_informer_restarts_total: {
    type: "counter",
    description: "Watches begun again: gone (too old), cut, quiet (silent for too long), error",
    labels: { informer: "open", reason: ["gone", "cut", "quiet", "error"] },
  },
  heauth_informer_objects: { type: "gauge", description: "Objects that are kept", labels: { informer: "open" } },
  heauth_trust_namespaces: {
    type: "gauge",
    description:
      "Namespaces that are to have the ConfigMap heauth-trust, by whether it is as it is to be; the leader's",
    labels: { state: ["current", "behind"] },
  },
  heauth_leader: { type: "gauge", description: "1 while this process leads", labels: {} },
  heauth_admission_reviews_total: {
    type: "counter",
    description:
      "Resources and pods that the webhook was asked about; Error: refused, because what it rests on can't be known",
    labels: { kind: reviewed, decision: [...decision, "Error"] },
  },
  heauth_admission_review_seconds: {
    type: "histogram",
    description: "Time to answer the API server",
    labels: { kind: reviewed },
    buckets: slowSeconds,
  },
  heauth_admission_unreadable_total: {
    type: "counter",
    description: "Requests to the webhook that are no question of an API server's",
    labels: {},
  },
  heauth_certificate_expiry_seconds: {
    type: "gauge",
    description: "Until a certificate expires; negative when it has",
    labels: {
      certificate: ["leaf", "authority", "next-authority", "hub", "hub-authority", "hub-next-authority"],
    },
  },
  heauth_certificate_renewals_total: {
    type: "counter",
    description: "Sets of certificates stored by this process: renewed, or put back",
    labels: {},
  },
  heauth_certificate_failures_total: {
    type: "counter",
    description: "Looks at the certificates in the cluster that failed",
    labels: {},
  },
  heauth_database_pool_connections: {
    type: "gauge",
    description: "Database connections by state",
    labels: { program: ["operator", "hub", "identity"], state: ["idle", "busy", "waiting"] },
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof metricList;
export type MetricsOfType<T extends MetricSpec["type"]> = {
  [N in MetricName]: (typeof metricList)[N]["type"] extends T ? N : never;
}[MetricName];

type LabelsOf<L extends Readonly<Record<string, LabelValues>>> = {
  [K in keyof L]: L[K] extends readonly (infer V extends string)[] ? V : string;
};

/** The labels of a metric; every one must be given. */
export type Labels<N extends MetricName> = LabelsOf<(typeof metricList)[N]["labels"]>;
