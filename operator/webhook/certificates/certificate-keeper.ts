import { asError, createBackoff, type Part, retry } from "@heauth/program";
import { isClusterError } from "@heauth/program/kubernetes";
import { type CertificateSet, trustBundle } from "../../certificates/certificate-set.ts";
import { KeptCertificates, type KeptCertificatesOptions } from "../../certificates/kept-certificates.ts";
import type { Pair } from "../../certificates/pair.ts";
import { Spread } from "../../certificates/spread.ts";
import { type ConfigurationName, nameOf, readTrust, soleBundle, trusts, writeTrust } from "./ca-bundle.ts";

export interface CertificateKeeperOptions extends KeptCertificatesOptions {
  /** Those whose `caBundle` it keeps. */
  readonly configurations: readonly ConfigurationName[];
  /** Told of each certificate that is to be shown from now on. */
  readonly show: (leaf: Pair) => void;
  /** Between two looks at Secret and configurations. */
  readonly everyMs?: number;
}

/**
 * Certificates of our own: issued, kept in a Secret that replicas share, renewed in time, and made known to the API server.
 * Whatever somebody does to the Secret or the `caBundle` is put right at the next look.
 */
export interface CertificateKeeper extends Part {
  /** What is held; undefined before the first successful look. */
  held(): CertificateSet | undefined;
  /** Why the API server may not trust what is shown; undefined when it does. */
  distrust(): string | undefined;
  /** Looks at once. Rejects when the API server can't be asked, or does not let us. */
  look(): Promise<void>;
}

const EVERY_MS = 5_000;
/** From the moment that a bundle stands in the configuration until every API server certainly goes by it. */
const SPREAD_MS = 60_000;
/** Each conflict means that another replica got on. */
const CONFLICTS = 10;

export function createCertificateKeeper(options: CertificateKeeperOptions): CertificateKeeper {
  const { client, configurations, show, clock, log, metrics, everyMs = EVERY_MS } = options;
  const failures = metrics.counter("heauth_certificate_failures_total", {});
  const stopping = new AbortController();
  const { signal } = stopping;
  const kept = new KeptCertificates(options);
  const published = new Spread(clock, SPREAD_MS);
  /** The configurations that are not there, or do not have what is held. */
  let distrusting: readonly ConfigurationName[] = configurations;
  let looking: Promise<void> | undefined;
  let failing: string | undefined;
  let timer: NodeJS.Timeout | undefined;

  /**
   * The configurations are read before the Secret: then a replica that read an older Secret meets a conflict, instead of taking a
   * newer bundle back.
   */
  async function once(): Promise<void> {
    const read = await Promise.all(configurations.map((each) => readTrust(client, each, signal)));
    const present = read.filter((trust) => trust !== undefined);
    published.note(soleBundle(present));
    const before = kept.held;
    const set = await kept.look(published.trusted(), signal);
    const bundle = trustBundle(set);
    const isNew = set.leaf.certificate !== before?.leaf.certificate;
    distrusting = configurations.filter((_, index) => {
      const trust = read[index];
      return trust === undefined || !trusts(trust, bundle);
    });
    try {
      for (const trust of present.filter((each) => !trusts(each, bundle))) {
        await writeTrust(client, trust, { bundle, signal });
        distrusting = distrusting.filter((each) => each !== trust.configuration);
        log.info(`caBundle written to the ${nameOf(trust.configuration)}`);
      }
      if (present.length > 0) published.note(bundle);
    } finally {
      if (isNew) show(set.leaf);
    }
  }

  async function lookNow(): Promise<void> {
    const retryable = (error: unknown) => isClusterError(error, "Conflict", "AlreadyExists");
    await retry(once, { backoff: createBackoff({ firstMs: 20, maxMs: 500 }), signal, attempts: CONFLICTS, retryable });
  }
  function look(): Promise<void> {
    looking ??= lookNow().finally(() => {
      looking = undefined;
    });
    return looking;
  }
  async function watched(): Promise<void> {
    try {
      await look();
      if (failing !== undefined) log.info("certificates can be looked after again");
      failing = undefined;
    } catch (error) {
      if (signal.aborted) return;
      failures.add();
      note(asError(error));
    }
  }
  /** Once for each reason, not at every look. */
  function note(error: Error): void {
    if (error.message !== failing) log.error({ err: error }, "certificates can't be looked after; what is held stays");
    failing = error.message;
  }

  return {
    name: "certificates",
    held: () => kept.held,
    distrust() {
      if (kept.held === undefined) return "there is no certificate yet";
      if (distrusting.length === 0) return undefined;
      return `the certificate's caBundle is not in the ${distrusting.map(nameOf).join(" and the ")}`;
    },
    look,
    async start() {
      const backoff = createBackoff({ firstMs: 200, maxMs: everyMs });
      await retry(look, { backoff, signal, onRetry: (error) => note(asError(error)) });
      failing = undefined;
      timer = setInterval(() => void watched(), everyMs);
    },
    async stop() {
      clearInterval(timer);
      stopping.abort(new Error("the webhook stops"));
      await looking?.catch(() => {});
    },
  };
}
