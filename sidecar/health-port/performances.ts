import type { Logger } from "@heauth/program";
import type { Finding, Place } from "./finding.ts";
import type { KubeletCheck } from "./kubelet-checks.ts";
import { perform } from "./perform.ts";

/** How long a probe's outcome serves those who ask next: everybody in the cluster may ask, and the app should not feel it. */
const SERVES_MS = 100;

/** The kubelet's checks, each one under way at most once: whoever asks meanwhile gets the same outcome. */
export interface Performances {
  outcome(key: string, check: KubeletCheck, at: Place): Promise<Finding>;
  /** Ends those that are under way. */
  end(): void;
}

export function createPerformances({ log }: { readonly log: Logger }): Performances {
  const ending = new AbortController();
  const underWay = new Map<string, Promise<Finding>>();
  const found = new Map<string, Finding>();

  /** A line for each change: the kubelet's own event tells of a status, and not why. */
  function tell(one: string, check: string, reason: Finding): void {
    if (ending.signal.aborted || found.get(one) === reason) return;
    found.set(one, reason);
    if (reason === undefined) log.info({ check }, "the app answers the kubelet's check again");
    else log.warn({ check, reason }, "the app fails the kubelet's check");
  }

  function begun(one: string, key: string, check: KubeletCheck, at: Place): Promise<Finding> {
    const forget = () => underWay.delete(one);
    return perform(check, at, ending.signal).then((finding) => {
      tell(one, key, finding);
      // A hook is done anew for everybody who asks afterwards.
      if (check.isHook) forget();
      else setTimeout(forget, SERVES_MS).unref();
      return finding;
    });
  }

  return {
    outcome(key, check, at) {
      const one = `${key} ${at.address}`;
      const known = underWay.get(one);
      if (known !== undefined) return known;
      const outcome = begun(one, key, check, at);
      underWay.set(one, outcome);
      return outcome;
    },
    end: () => ending.abort(),
  };
}
