import { type LockoutState, takeAttempt } from "@heauth/core/users";
import type { LoginAttempt, LoginCounter } from "@heauth/store";

/** Login attempts at tenants that do not exist, which no tenant's store counts. In memory; so many counters and no more. */
export interface ForgetfulCounters {
  take(counters: readonly LoginCounter[], nowMs: number): LoginAttempt;
}

/** Lets a login at a tenant that does not exist meet the same delays. The counter made longest ago is forgotten first. */
export function createForgetfulCounters(most = 10_000): ForgetfulCounters {
  const states = new Map<string, LockoutState>();
  return {
    take(counters, nowMs) {
      const attempts = counters.map(({ subject, rules }) => ({
        subject,
        attempt: takeAttempt(states.get(subject), rules, nowMs),
      }));
      const refusals = attempts.flatMap(({ attempt }) => (attempt.allowed ? [] : [attempt.retryAtMs]));
      if (refusals.length > 0) return { allowed: false, retryAt: Math.max(...refusals) };
      for (const { subject, attempt } of attempts) {
        if (attempt.allowed) states.set(subject, attempt.state);
      }
      for (const oldest of states.keys()) {
        if (states.size <= most) break;
        states.delete(oldest);
      }
      return { allowed: true };
    },
  };
}
