import { createHash } from "node:crypto";
import { choosePolicy } from "@heauth/core/resources";
import { type Clock, instant, type Labels, type Logger, type Metrics } from "@heauth/program";
import type { ClusterClient } from "@heauth/program/kubernetes";
import { CallError } from "@heauth/protocol";
import { type Caller, type CallerResolver, isRefusal } from "../callers.ts";
import { bearerToken, readClaims, unauthenticated } from "./bearer.ts";
import { createBudget } from "./budget.ts";
import { createCallerMemory } from "./caller-memory.ts";
import { livePod } from "./live-pod.ts";
import { createQuestions, isSilence } from "./questions.ts";
import { createTokenReview, type ProvenPod } from "./token-review.ts";

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
  /** How long after the last good answer about a caller it is gone by while the API server gives none, ms. */
  staleFor: number;
  /** Questions of each kind to the API server: at a time, and per second. */
  reviewsAtOnce: number;
  reviewsPerSecond: number;
}

const defaultLimits: CallerLimits = {
  trustFor: 60_000,
  refuseFor: 5_000,
  staleFor: 600_000,
  reviewsAtOnce: 32,
  reviewsPerSecond: 200,
};

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
  const questions = createQuestions({ clock, log });
  const reviewToken = createTokenReview({ client, audience: HUB_AUDIENCE, clock, log });
  const flights = new Map<string, Promise<Caller>>();
  metrics.gauge("heauth_hub_callers", () => memory.size);

  async function find({ token, ...known }: Token): Promise<Caller> {
    const begun = instant(clock);
    try {
      const allowed = memory.wasAccepted(known.key) ? renewals : reviews;
      const caller = await questions.ask(async () => look(await allowed.run(() => review(token)), known));
      memory.accept(known.key, begun, caller);
      return caller;
    } catch (error) {
      if (error instanceof CallError && isRefusal(error)) memory.refuse(known.key, begun, error);
      throw error;
    }
  }

  async function review(token: string): Promise<ProvenPod> {
    const begun = clock.monotonicMs();
    try {
      const proven = await reviewToken(token);
      count("accepted");
      return proven;
    } catch (error) {
      count(error instanceof CallError ? "refused" : "error");
      throw error;
    } finally {
      metrics.histogram("heauth_token_review_seconds", {}).record((clock.monotonicMs() - begun) / 1000);
    }
  }

  function count(outcome: Labels<"heauth_token_reviews_total">["outcome"]): void {
    metrics.counter("heauth_token_reviews_total", { outcome }).add();
  }

  async function look(proven: ProvenPod, token: Omit<Token, "token">): Promise<Caller> {
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
      proof: { expiresAtMs: token.expiresAtMs, again: () => lookAgain(proven, token) },
    };
  }

  /** What is found out for a stream counts for every other call. */
  async function lookAgain(proven: ProvenPod, token: Omit<Token, "token">): Promise<Caller> {
    const begun = instant(clock);
    try {
      const caller = await questions.ask(() => looks.run(() => look(proven, token)));
      memory.update(token.key, begun, caller);
      return caller;
    } catch (error) {
      if (error instanceof CallError && isRefusal(error)) memory.forget(proven.uid);
      throw error;
    }
  }

  /** Calls that bring the same token at a time are answered by one question. */
  function findOnce(token: Token): Promise<Caller> {
    const flight = flights.get(token.key) ?? find(token).finally(() => void flights.delete(token.key));
    flights.set(token.key, flight);
    return flight;
  }

  /** No answer of the API server's is no refusal: whoever was known stays known for a while. */
  async function findOrGoBy(token: Token): Promise<Caller> {
    const known = memory.lastKnown(token.key);
    if (known !== undefined && !questions.worthAsking()) return stale(known);
    try {
      return await findOnce(token);
    } catch (error) {
      // Looked up anew: he may have been refused meanwhile, or it is too long ago by now.
      const stillKnown = isSilence(error) ? memory.lastKnown(token.key) : undefined;
      if (stillKnown === undefined) throw error;
      return stale(stillKnown);
    }
  }

  function stale(caller: Caller): Caller {
    count("stale");
    return caller;
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
      return known ?? findOrGoBy({ token, key, expiresAtMs });
    },
  };
}
