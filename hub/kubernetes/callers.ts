import { createHash } from "node:crypto";
import { choosePolicy } from "@heauth/core/resources";
import { asError, type Clock, instant, type Logger, type Metrics } from "@heauth/program";
import { type ClusterClient, ClusterError } from "@heauth/program/kubernetes";
import { CallError } from "@heauth/protocol";
import { type Caller, type CallerResolver, isRefusal } from "../callers.ts";
import { bearerToken, readClaims, unauthenticated } from "./bearer.ts";
import { createBudget } from "./budget.ts";
import { createCallerMemory } from "./caller-memory.ts";
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
  /** Questions of each kind to the API server: at a time, and per second. */
  reviewsAtOnce: number;
  reviewsPerSecond: number;
}

const defaultLimits: CallerLimits = {
  trustFor: 60_000,
  refuseFor: 5_000,
  reviewsAtOnce: 32,
  reviewsPerSecond: 200,
};
/** How long a caller is asked to wait while the API server does not answer, ms. */
const RETRY_AFTER_MS = 1_000;

/** A call's token: `key` is its hash. */
interface Token {
  readonly token: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

/** Callers by their pod's projected service account token: the API server says whose it is, and that the pod lives and is one of ours. */
export function callersOfCluster(options: KubernetesCallersOptions): CallerResolver {
  const { client, clock, log, metrics } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { reviewsAtOnce: atOnce, reviewsPerSecond: perSecond } = limits;
  const budget = () => createBudget({ clock, atOnce, perSecond });
  // Apart, because anybody may bring tokens that nobody has seen: whoever was known before is not crowded out by them.
  const [reviews, renewals, looks] = [budget(), budget(), budget()];
  const memory = createCallerMemory({ clock, ...limits });
  const flights = new Map<string, Promise<Caller>>();
  let isAway = false;
  metrics.gauge("heauth_hub_callers", () => memory.size);

  async function find({ token, ...known }: Token): Promise<Caller> {
    const begun = instant(clock);
    try {
      const allowed = memory.wasAccepted(known.key) ? renewals : reviews;
      const caller = await look(await allowed.run(() => review(token)), known);
      memory.accept(known.key, begun, caller);
      return caller;
    } catch (thrown) {
      const error = callError(thrown);
      if (isRefusal(error)) memory.refuse(known.key, begun, error);
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

  async function look(proven: ProvenPod, token: Omit<Token, "token">): Promise<Caller> {
    const { namespace, name: pod, uid } = proven;
    const { labels, image } = await livePod(client, proven);
    if (isAway) log.info("the API server can be asked again who calls");
    isAway = false;
    return {
      namespace,
      pod,
      uid,
      image,
      choose(policies) {
        const { chosen } = choosePolicy(policies, labels);
        return chosen === undefined ? [] : [chosen];
      },
      proof: { expiresAtMs: token.expiresAtMs, again: () => lookAgain(proven, token) },
    };
  }

  /** What is found out for a stream counts for every other call. */
  async function lookAgain(proven: ProvenPod, token: Omit<Token, "token">): Promise<Caller> {
    try {
      const caller = await looks.run(() => look(proven, token));
      memory.update(token.key, caller);
      return caller;
    } catch (thrown) {
      const error = callError(thrown);
      if (isRefusal(error)) memory.forget(proven.uid);
      throw error;
    }
  }

  /** No answer of the API server's is no refusal: whoever was known stays known for as long as that is trusted. */
  function callError(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown;
    if (!(thrown instanceof ClusterError)) throw thrown;
    const { code, retryAfterMs = RETRY_AFTER_MS } = thrown;
    // Once, not for each of thousands of sidecars.
    if (!isAway) log.error({ err: asError(thrown), code }, "the API server can't be asked who calls");
    isAway = true;
    return new CallError("UNAVAILABLE", "the API server can't be asked who calls", { retryAfterMs, cause: thrown });
  }

  return {
    async resolve(metadata) {
      const token = bearerToken(metadata);
      const { audiences, expiresAtMs } = readClaims(token);
      if (!audiences.includes(HUB_AUDIENCE)) throw unauthenticated(`the token's audience is not ${HUB_AUDIENCE}`);
      if (clock.wallMs() >= expiresAtMs) throw unauthenticated("the token has expired");
      const key = createHash("sha256").update(token).digest("base64");
      const known = memory.recall(key);
      if (known instanceof CallError) throw known;
      if (known !== undefined) return known;
      // Calls that bring the same token at a time are answered by one question.
      const flight = flights.get(key) ?? find({ token, key, expiresAtMs }).finally(() => void flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
  };
}
