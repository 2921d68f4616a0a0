import { createHash } from "node:crypto";
import { choosePolicy } from "@heauth/core/resources";
import { asError, type Clock, elapsedMs, type Instant, instant, type Logger, type Metrics } from "@heauth/program";
import { type ClusterClient, ClusterError } from "@heauth/program/kubernetes";
import { CallError, type Metadata } from "@heauth/protocol";
import { LRUCache } from "lru-cache";
import type { Caller, CallerResolver } from "../callers.ts";
import { bearerToken, readClaims, unauthenticated } from "./bearer.ts";
import { createBudget } from "./budget.ts";
import { livePod } from "./live-pod.ts";
import { type ProvenPod, reviewToken } from "./token-review.ts";

/** Of the projected token that a sidecar has for the hub. */
export const HUB_AUDIENCE = "heauth-hub";

export interface KubernetesCallersOptions {
  client: ClusterClient;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  limits?: Partial<CallerLimits>;
}

export interface CallerLimits {
  /** How long a token's review, and what its pod was then, are gone by, ms. */
  trustFor: number;
  /** How long a refusal is repeated without asking again, ms. */
  refuseFor: number;
  /** Questions to the API server: at a time, and per second. */
  reviewsAtOnce: number;
  reviewsPerSecond: number;
}

const defaultLimits: CallerLimits = {
  trustFor: 60_000,
  refuseFor: 5_000,
  reviewsAtOnce: 32,
  reviewsPerSecond: 200,
};
const MAX_TOKENS = 20_000;
/** How long a caller is asked to wait while the API server does not answer, ms. */
const RETRY_AFTER_MS = 1_000;

interface Finding {
  readonly at: Instant;
  readonly outcome: Caller | CallError;
}

/** Callers by their pod's projected service account token: the API server says whose it is, and that the pod lives and is one of ours. */
export function callersOfCluster(options: KubernetesCallersOptions): CallerResolver {
  const { client, clock, log, metrics } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { reviewsAtOnce: atOnce, reviewsPerSecond: perSecond } = limits;
  const [reviews, looks] = [createBudget({ clock, atOnce, perSecond }), createBudget({ clock, atOnce, perSecond })];
  const [accepted, refused] = [findings(), findings()];
  const flights = new Map<string, Promise<Caller>>();
  metrics.gauge("heauth_hub_callers", () => accepted.size);

  /** What is remembered of a token, and not too old. */
  function remembered(key: string): Caller | CallError | undefined {
    const good = accepted.get(key);
    if (good !== undefined && elapsedMs(clock, good.at) < limits.trustFor) return good.outcome;
    const bad = refused.get(key);
    return bad !== undefined && elapsedMs(clock, bad.at) < limits.refuseFor ? bad.outcome : undefined;
  }

  async function find(token: string, key: string, expiresAtMs: number): Promise<Caller> {
    const begun = instant(clock);
    try {
      const proven = await reviews.run(() => review(token));
      const caller = await look(proven, expiresAtMs);
      accepted.set(key, { at: begun, outcome: caller });
      return caller;
    } catch (thrown) {
      const error = callError(thrown);
      if (error.code !== "UNAUTHENTICATED" && error.code !== "PERMISSION_DENIED") throw error;
      accepted.delete(key);
      refused.set(key, { at: begun, outcome: error });
      throw error;
    }
  }

  async function review(token: string): Promise<ProvenPod> {
    const begun = clock.monotonicMs();
    try {
      const proven = await reviewToken(client, token, HUB_AUDIENCE, log);
      count("accepted");
      return proven;
    } catch (error) {
      count(error instanceof CallError ? "refused" : "error");
      throw error;
    } finally {
      metrics.histogram("heauth_token_review_seconds", {}).record((clock.monotonicMs() - begun) / 1000);
    }
  }

  function count(outcome: "accepted" | "refused" | "error"): void {
    metrics.counter("heauth_token_reviews_total", { outcome }).add();
  }

  async function look(proven: ProvenPod, expiresAtMs: number): Promise<Caller> {
    const { namespace, name: pod, uid } = proven;
    const { labels, image } = await livePod(client, proven);
    return {
      namespace,
      pod,
      uid,
      image,
      choose(policies) {
        const { chosen } = choosePolicy(policies, labels);
        return chosen === undefined ? [] : [chosen];
      },
      proof: {
        expiresAtMs,
        again: () =>
          looks
            .run(() => look(proven, expiresAtMs))
            .catch((error: unknown) => {
              throw callError(error);
            }),
      },
    };
  }

  /** No answer of the API server's is no refusal: whoever was known stays known for as long as that is trusted. */
  function callError(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown;
    if (!(thrown instanceof ClusterError)) throw thrown;
    const { code, retryAfterMs = RETRY_AFTER_MS } = thrown;
    const level = code === "Forbidden" || code === "Unauthorized" ? "error" : "warn";
    log[level]({ err: asError(thrown), code }, "the API server can't be asked who calls");
    return new CallError("UNAVAILABLE", "the API server can't be asked who calls", { retryAfterMs, cause: thrown });
  }

  return {
    async resolve(metadata: Metadata): Promise<Caller> {
      const token = bearerToken(metadata);
      const { audiences, expiresAtMs } = readClaims(token);
      if (!audiences.includes(HUB_AUDIENCE)) throw unauthenticated(`the token's audience is not ${HUB_AUDIENCE}`);
      if (clock.wallMs() >= expiresAtMs) throw unauthenticated("the token has expired");
      const key = createHash("sha256").update(token).digest("base64");
      const known = remembered(key);
      if (known instanceof CallError) throw known;
      if (known !== undefined) return known;
      const flight =
        flights.get(key) ??
        find(token, key, expiresAtMs).finally(() => {
          flights.delete(key);
        });
      flights.set(key, flight);
      return flight;
    },
  };
}

/** By the token's hash: the token itself is nobody's to find in memory for longer than the call. */
function findings(): LRUCache<string, Finding> {
  return new LRUCache({ max: MAX_TOKENS });
}
