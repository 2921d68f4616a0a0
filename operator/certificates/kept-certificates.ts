import type { Clock, Counter, Logger, Metrics } from "@heauth/program";
import type { ClusterClient } from "@heauth/program/kubernetes";
import type { CertificateSet } from "./certificate-set.ts";
import { renewed } from "./renew.ts";
import { readStored, type SecretName, writeStored } from "./stored-certificates.ts";

export interface KeptCertificatesOptions {
  readonly client: ClusterClient;
  /** Where they are kept, for all replicas. */
  readonly secret: SecretName;
  /** DNS names that callers use. */
  readonly names: readonly string[];
  /** This replica's name; no two may have the same. */
  readonly replica: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A server's certificates in a Secret: issued, renewed in time, and put back as they were when somebody has spoilt them. */
export class KeptCertificates {
  readonly #options: KeptCertificatesOptions;
  readonly #renewals: Counter;
  #held: CertificateSet | undefined;

  constructor(options: KeptCertificatesOptions) {
    this.#options = options;
    this.#renewals = options.metrics.counter("heauth_certificate_renewals_total", {});
  }

  /** As they were at the last look that succeeded; undefined before the first one. */
  get held(): CertificateSet | undefined {
    return this.#held;
  }

  /** Somebody else looks after them from now on: what is held may be old when it is our turn again. */
  forget(): void {
    this.#held = undefined;
  }

  /**
   * Looks, renews what is due, stores what is new, and answers what is to be used.
   * @param trusted the bundle that every caller trusts by now; undefined while that is not known
   * @throws ClusterError, `Conflict` when somebody else was faster
   */
  async look(trusted: string | undefined, signal: AbortSignal): Promise<CertificateSet> {
    const { client, secret, names, replica, clock, log } = this.#options;
    const stored = await readStored(client, secret, signal);
    const set = await renewed(stored.set ?? this.#held, { nowMs: clock.wallMs(), names, trusted });
    if (set !== stored.set) {
      await writeStored(client, secret, set, { replica, resourceVersion: stored.resourceVersion, signal });
      this.#renewals.add();
      log.info(`certificates ${stored.set === undefined ? "stored" : "renewed"} in the Secret ${secret.name}`);
    }
    this.#held = set;
    return set;
  }
}
