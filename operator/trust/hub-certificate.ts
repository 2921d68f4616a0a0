import type { Clock, Logger, Metrics } from "@heauth/program";
import type { ClusterClient } from "@heauth/program/kubernetes";
import { trustBundle } from "../certificates/certificate-set.ts";
import { KeptCertificates } from "../certificates/kept-certificates.ts";
import { parsedCertificate, validityOf } from "../certificates/pair.ts";
import { type HubSecret, isOurs, readHubSecret, shows, suppliedHub, writeHubSecret } from "./hub-secret.ts";

/** Holds what signs the hub's certificates: nobody but the operator has a use for it. */
const AUTHORITY_SECRET = "heauth-hub-ca";

export interface HubCertificateOptions {
  readonly client: ClusterClient;
  readonly namespace: string;
  /** The Secret that the hub's pods mount. */
  readonly secret: string;
  /** DNS names that sidecars call by. */
  readonly names: readonly string[];
  /** This process's name; no two may have the same. */
  readonly replica: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * The hub's certificate: issued, renewed in time and put into its Secret. All of it is kept in a Secret of the operator's own, from which the
 * hub's is written; one that somebody else has made is left alone.
 */
export class HubCertificate {
  readonly #options: HubCertificateOptions;
  readonly #kept: KeptCertificates;
  #bundle: string | undefined;
  /** What is shown, and whose it is, as it was told last. */
  #expiries: readonly (readonly [name: "hub" | "hub-authority" | "hub-next-authority", certificate: string])[] = [];
  #isSupplied: boolean | undefined;

  constructor(options: HubCertificateOptions) {
    this.#options = options;
    const { namespace, clock, metrics } = options;
    this.#kept = new KeptCertificates({ ...options, secret: { namespace, name: AUTHORITY_SECRET } });
    metrics.gauge("heauth_certificate_expiry_seconds", () =>
      this.#expiries
        .filter(([, pem]) => parsedCertificate(pem) !== undefined)
        .map(([certificate, pem]) => [{ certificate }, (validityOf(pem).untilMs - clock.wallMs()) / 1000]),
    );
  }

  /** Whom sidecars are to trust, PEM; undefined before the first successful look. */
  bundle(): string | undefined {
    return this.#bundle;
  }

  /** Somebody else looks after it from now on. */
  forget(): void {
    this.#kept.forget();
    this.#bundle = undefined;
    this.#expiries = [];
    this.#isSupplied = undefined;
  }

  /**
   * Looks, and does what is to be done.
   * @param trusted the bundle that every sidecar certainly goes by
   * @throws ClusterError, `Conflict` when somebody else was faster; OperatorError HubAuthorityUnknown
   */
  async look(trusted: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, namespace, secret } = this.#options;
    const shown = await readHubSecret(client, { namespace, name: secret }, signal);
    if (shown !== undefined && !isOurs(shown)) this.#takeSupplied(shown);
    else await this.#keep(shown, trusted, signal);
  }

  #takeSupplied(shown: HubSecret): void {
    this.#tellWhose(true);
    const { certificate, authorities } = suppliedHub(shown);
    this.#bundle = authorities;
    this.#expiries = [
      ["hub", certificate],
      ["hub-authority", authorities],
    ];
  }

  async #keep(shown: HubSecret | undefined, trusted: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, namespace, secret, log } = this.#options;
    this.#tellWhose(false);
    const set = await this.#kept.look(trusted, signal);
    this.#bundle = trustBundle(set);
    this.#expiries = [
      ["hub", set.leaf.certificate],
      ["hub-authority", set.authority.certificate],
      ...(set.next === undefined ? [] : [["hub-next-authority", set.next.certificate] as const]),
    ];
    if (shown !== undefined && shows(shown, set)) return;
    await writeHubSecret(client, { namespace, name: secret }, set, { seen: shown, signal });
    log.info(`the hub's certificate was written to the Secret ${secret}`);
  }

  #tellWhose(isSupplied: boolean): void {
    if (this.#isSupplied === isSupplied) return;
    this.#isSupplied = isSupplied;
    const { log, secret } = this.#options;
    if (isSupplied) log.info(`somebody else looks after the Secret ${secret}: only its ca.crt is read`);
    else log.info(`the operator looks after the Secret ${secret}`);
  }
}
