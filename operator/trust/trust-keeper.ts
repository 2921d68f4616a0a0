import { asError, type Logger, type Metrics, unlessAborted } from "@heauth/program";
import { type ClusterClient, CONFIG_MAPS, type KubeObject, NAMESPACES } from "@heauth/program/kubernetes";
import type { Events } from "../runtime/events.ts";
import { createInformer, type Informer } from "../runtime/informer.ts";
import { publicReason } from "../runtime/public-reason.ts";
import { WorkQueue } from "../runtime/queue.ts";
import { INJECTION_LABEL } from "../webhook/injection/names.ts";
import { isAsWanted, type KeptTrust, keptTrust, TRUST, type TrustContents, trustMap } from "./trust-map.ts";

export interface TrustKeeperOptions {
  readonly client: ClusterClient;
  /** heauth's own: nothing is kept there. */
  readonly namespace: string;
  readonly events: Pick<Events, "record">;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** The cluster's own parts are never injected. */
const NEVER = "kube-system";
const WORKERS = 4;
/** So many failures in a row, in about a second, are no passing thing: of a namespace that is being deleted one hears a bit later. */
const TOLD_AFTER = 3;
/** What failed for good may work again after somebody has mended it. */
const MOST_DELAY_MS = 10_000;

/**
 * Keeps the ConfigMap `heauth-trust` in every namespace with injection, as long as this process leads. One that is there already is
 * kept up to date, and never deleted, after the namespace's label has gone: pods with a sidecar may run on.
 */
export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  /** Namespaces with injection, and whether they are being deleted. */
  readonly #namespaces: Informer<{ readonly name: string; readonly deleting: boolean }>;
  readonly #maps: Informer<KeptTrust>;
  readonly #queue: WorkQueue;
  /** How often in a row it could not be written to a namespace, and why, as it was told last. */
  readonly #failing = new Map<string, { readonly times: number; readonly told: string | undefined }>();
  #contents: TrustContents | undefined;
  #lost: AbortSignal | undefined;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    const { client, log, metrics } = options;
    const shared = { client, log, metrics };
    this.#namespaces = createInformer({
      ...shared,
      name: "injected-namespaces",
      type: NAMESPACES,
      labelSelector: `${INJECTION_LABEL} in (enabled, required)`,
      project: ({ metadata: { name = "", deletionTimestamp } }: KubeObject) => ({
        name,
        deleting: deletionTimestamp !== undefined,
      }),
      onChange: ({ name }) => this.#add(name),
    });
    this.#maps = createInformer({
      ...shared,
      name: "trust",
      type: CONFIG_MAPS,
      // By name: the right to follow them can be bound to it.
      fieldSelector: `metadata.name=${TRUST}`,
      project: keptTrust,
      onChange: ({ namespace }) => this.#add(namespace),
    });
    this.#queue = new WorkQueue({
      workers: WORKERS,
      maxDelayMs: MOST_DELAY_MS,
      measured: { metrics, name: "trust" },
      reconcile: (namespace) => this.#reconcile(namespace),
      onError: (namespace, error) => this.#failed(namespace, error),
    });
    metrics.gauge("heauth_trust_namespaces", () => {
      if (this.#lost === undefined) return [];
      const wanted = this.#all().filter((name) => this.#isWanted(name));
      const behind = wanted.filter((name) => !this.#isCurrent(name)).length;
      return [
        [{ state: "current" }, wanted.length - behind],
        [{ state: "behind" }, behind],
      ];
    });
  }

  /** Begins to follow what there is. */
  async start(): Promise<void> {
    await this.#namespaces.start();
    await this.#maps.start();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await Promise.all([this.#namespaces.stop(deadline), this.#maps.stop(deadline)]);
  }

  /** From now on this process is the one who writes, until `lost` aborts. Rejects with its reason when that comes first. */
  async begin(lost: AbortSignal): Promise<void> {
    await unlessAborted(Promise.all([this.#namespaces.synced, this.#maps.synced]), lost);
    this.#lost = lost;
    this.#queue.start();
  }

  /** Resolves when nothing is being written any more. */
  async end(): Promise<void> {
    await this.#queue.stop();
    this.#lost = undefined;
    this.#contents = undefined;
    this.#failing.clear();
  }

  /** What they all are to hold. */
  give(contents: TrustContents): void {
    const { hubCa, ledgerKeys } = this.#contents ?? {};
    if (contents.hubCa === hubCa && contents.ledgerKeys === ledgerKeys) return;
    this.#contents = contents;
    for (const name of this.#all()) this.#add(name);
  }

  /** Whether no sidecar is told of another authority than these. */
  isEverywhere(hubCa: string): boolean {
    return this.#maps.list().every((kept) => !kept.isOurs || kept.hubCa === hubCa);
  }

  #add(namespace: string): void {
    if (this.#lost !== undefined) this.#queue.add(namespace);
  }

  /** Every namespace that may be concerned. */
  #all(): string[] {
    const names = [
      ...this.#namespaces.list().map(({ name }) => name),
      ...this.#maps.list().map(({ namespace }) => namespace),
    ];
    return [...new Set(names)];
  }

  /** Created where there is injection, else only kept as long as it is there. */
  #isWanted(namespace: string): boolean {
    if (namespace === NEVER || namespace === this.#options.namespace) return false;
    const labelled = this.#namespaces.get({ name: namespace });
    // Nothing can be created in a namespace that is being deleted.
    if (labelled !== undefined) return !labelled.deleting;
    return this.#kept(namespace)?.isOurs === true;
  }

  #kept(namespace: string): KeptTrust | undefined {
    return this.#maps.get({ namespace, name: TRUST });
  }

  #isCurrent(namespace: string): boolean {
    return this.#contents !== undefined && isAsWanted(this.#kept(namespace), this.#contents);
  }

  async #reconcile(namespace: string): Promise<undefined> {
    const { client, log } = this.#options;
    const [contents, signal] = [this.#contents, this.#lost];
    if (contents === undefined || signal === undefined || signal.aborted) return;
    if (this.#isWanted(namespace) && !this.#isCurrent(namespace)) {
      const { object, apply } = trustMap(namespace, contents, this.#kept(namespace));
      await client.apply(CONFIG_MAPS, object, apply, { signal });
      log.info({ namespace }, `the ConfigMap ${TRUST} was written`);
    }
    this.#failing.delete(namespace);
  }

  #failed(namespace: string, error: unknown): void {
    if (this.#lost?.aborted !== false) return;
    const { events, log } = this.#options;
    const why = publicReason(error);
    const { times, told } = this.#failing.get(namespace) ?? { times: 0, told: undefined };
    const isTold = times + 1 >= TOLD_AFTER && told !== why;
    this.#failing.set(namespace, { times: times + 1, told: isTold ? why : told });
    if (!isTold) return;
    log.warn({ namespace, err: asError(error) }, `the ConfigMap ${TRUST} can't be written; it is tried again`);
    events.record(
      { apiVersion: "v1", kind: "Namespace", name: namespace },
      {
        type: "Warning",
        reason: "TrustNotWritten",
        action: "WriteTrust",
        note: `Pods can't be injected here without the ConfigMap ${TRUST}, which can't be written: ${why}`,
      },
    );
  }
}
