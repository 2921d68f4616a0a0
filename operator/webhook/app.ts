import {
  type Clock,
  type Health,
  type HostPort,
  inOrder,
  type Logger,
  type Logs,
  type Metrics,
  type Part,
} from "@heauth/program";
import { type ClusterClient, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from "@heauth/program/kubernetes";
import { isGoodAt, type Pair, validityOf } from "../certificates/pair.ts";
import { createPodReviewer } from "./admission/pod-reviewer.ts";
import { createReviewer } from "./admission/reviewer.ts";
import { type AdmissionServerOptions, createAdmissionServer } from "./admission-server.ts";
import { type CertificateKeeper, createCertificateKeeper } from "./certificates/certificate-keeper.ts";
import { createSuppliedCertificate } from "./certificates/supplied-certificate.ts";
import type { InjectionSettings } from "./injection/index.ts";

/** Certificates of our own, kept in the cluster. */
export interface OwnCertificates {
  /** heauth's namespace. */
  readonly namespace: string;
  /** The Service by which the API server calls. */
  readonly service: string;
  /** The ValidatingWebhookConfiguration, and where pods are injected the MutatingWebhookConfiguration. */
  readonly configuration: string;
  /** The Secret that holds the certificates. */
  readonly secret: string;
  /** This replica's name; no two may have the same. */
  readonly replica: string;
  /** Between two looks at Secret and configuration. */
  readonly everyMs?: number;
}

/** PEM files that somebody else looks after, the `caBundle` too. */
export interface SuppliedCertificates {
  readonly tlsCert: string;
  readonly tlsKey: string;
}

export interface WebhookOptions {
  readonly client: ClusterClient;
  readonly listen: HostPort;
  readonly certificates: OwnCertificates | SuppliedCertificates;
  /** What pods are injected with; without it no question about pods is answered. */
  readonly injection?: InjectionSettings;
  readonly clock: Clock;
  readonly logs: Logs;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** The admission webhook. */
export interface Webhook extends Part {
  /** `https://HOST:PORT`, once started. */
  url(): string;
  /** Looks after its own certificates at once; does nothing where they are supplied. */
  look(): Promise<void>;
}

/** Composes the webhook: what keeps its certificate, and the server that answers. It reaches no database. */
export function createWebhook(options: WebhookOptions): Webhook {
  const { listen, clock, logs, metrics, health } = options;
  const log = logs.part("webhook");
  const server = createAdmissionServer({ listen, reviews: reviewsOf(options, log), log, metrics });
  let shown: Pair | undefined;
  const show = (leaf: Pair) => {
    server.show(leaf);
    shown = leaf;
  };
  const keeper = "tlsCert" in options.certificates ? undefined : createKeeper(options, options.certificates, show);
  const certificate = keeper ?? createFiles(options.certificates as SuppliedCertificates, show, logs);

  health.addReady("certificate", () => {
    if (shown === undefined) return "none is loaded yet";
    return isGoodAt(shown.certificate, clock.wallMs()) ? undefined : "it has expired, or is not good yet";
  });
  if (keeper !== undefined) health.addReady("caBundle", keeper.distrust);
  metrics.gauge("heauth_certificate_expiry_seconds", () => {
    const known = [
      ["leaf", shown] as const,
      ["authority", keeper?.held()?.authority] as const,
      ["next-authority", keeper?.held()?.next] as const,
    ];
    return known.flatMap(([name, pair]) =>
      pair === undefined
        ? []
        : [[{ certificate: name }, (validityOf(pair.certificate).untilMs - clock.wallMs()) / 1000] as const],
    );
  });

  return {
    ...inOrder("webhook", [certificate, server], log),
    url: server.url,
    look: async () => await keeper?.look(),
  };
}

/** What is answered where. */
function reviewsOf(
  { client, injection: settings, metrics }: WebhookOptions,
  log: Logger,
): AdmissionServerOptions["reviews"] {
  const validate = createReviewer({ client, log, metrics });
  if (settings === undefined) return { "/validate": validate };
  const pods = createPodReviewer({ client, settings, log, metrics });
  return { "/validate": validate, "/mutate": pods.mutate, "/validate-pod": pods.validate };
}

function createKeeper(options: WebhookOptions, own: OwnCertificates, show: (leaf: Pair) => void): CertificateKeeper {
  const { client, clock, logs, metrics } = options;
  const { namespace, service, configuration: name, replica, everyMs } = own;
  const types = options.injection === undefined ? [VALIDATING_WEBHOOKS] : [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS];
  return createCertificateKeeper({
    client,
    secret: { namespace, name: own.secret },
    configurations: types.map((type) => ({ type, name })),
    names: [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`],
    show,
    replica,
    clock,
    log: logs.part("certificates"),
    metrics,
    ...(everyMs !== undefined && { everyMs }),
  });
}

function createFiles({ tlsCert, tlsKey }: SuppliedCertificates, show: (leaf: Pair) => void, logs: Logs): Part {
  const files = createSuppliedCertificate({ certificate: tlsCert, key: tlsKey, log: logs.part("certificates") });
  return {
    name: files.name,
    async start() {
      await files.start();
      show(files.current());
      files.subscribe(show);
    },
    stop: (deadline) => files.stop(deadline),
  };
}
