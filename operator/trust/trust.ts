import { type Clock, createBackoff, type Part, retry, systemClock } from "@heauth/program";
import { Spread } from "../certificates/spread.ts";
import { aborted } from "../runtime/aborted.ts";
import { isConflict } from "../runtime/conflict.ts";
import { Poll } from "../runtime/poll.ts";
import { createTrouble } from "../runtime/trouble.ts";
import { HubCertificate, type HubCertificateOptions } from "./hub-certificate.ts";
import { TrustKeeper, type TrustKeeperOptions } from "./trust-keeper.ts";

export interface TrustOptions extends TrustKeeperOptions, Pick<HubCertificateOptions, "replica" | "secret"> {
  /** The Service by which sidecars call the hub. */
  readonly service: string;
  /** The public halves of the programs' keys, `ledger-keys.json`, as they are now. */
  readonly ledgerKeys: () => string;
  readonly clock?: Clock;
  /** Between two looks at the Secrets; 5 s unless given. */
  readonly everyMs?: number;
}

/** What sidecars trust, and the hub's certificate. */
export interface Trust extends Part {
  /** Looks after both until `lost` aborts. Never rejects. */
  lead(lost: AbortSignal): Promise<void>;
}

const EVERY_MS = 5_000;
/**
 * Nodes bring a changed ConfigMap to pods within about two minutes, sidecars look every few seconds. A new authority has months before it
 * must sign: so much longer costs nothing.
 */
const SPREAD_MS = 60 * 60_000;
const BACKOFF = { firstMs: 50, maxMs: 500 };
const CONFLICTS = 5;

/** Keeps the hub's certificate and, in every namespace with injection, what sidecars need to believe it. One of several processes leads. */
export function createTrust(options: TrustOptions): Trust {
  const { namespace, service, ledgerKeys, clock = systemClock, everyMs = EVERY_MS, log, metrics } = options;
  const keeper = new TrustKeeper(options);
  const names = [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`, service];
  const certificate = new HubCertificate({ ...options, names, clock });
  const spread = new Spread(clock, SPREAD_MS);
  const failures = metrics.counter("heauth_certificate_failures_total", {});
  const trouble = createTrouble(log, "cannot look after the hub's certificate");

  async function look(lost: AbortSignal): Promise<void> {
    const before = certificate.bundle();
    spread.note(before !== undefined && keeper.isEverywhere(before) ? before : undefined);
    const once = () => certificate.look(spread.trusted(), lost);
    try {
      await retry(once, { backoff: createBackoff(BACKOFF), attempts: CONFLICTS, retryable: isConflict, signal: lost });
      trouble.over();
    } catch (error) {
      if (lost.aborted) return;
      failures.add();
      trouble.report(error);
    } finally {
      const hubCa = certificate.bundle();
      if (hubCa !== undefined && !lost.aborted) keeper.give({ hubCa, ledgerKeys: ledgerKeys() });
    }
  }

  return {
    name: "trust",
    start: () => keeper.start(),
    stop: (deadline) => keeper.stop(deadline),
    async lead(lost) {
      const began = await keeper.begin(lost).then(
        () => true,
        () => false,
      );
      if (!began) return;
      const poll = new Poll({ round: () => look(lost), everyMs, log, what: "the hub's certificate" });
      poll.start();
      await aborted(lost);
      await poll.stop();
      await keeper.end();
      certificate.forget();
      spread.note(undefined);
    },
  };
}
