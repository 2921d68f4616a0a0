import { asError, type Clock, type Instant, instant } from "@heauth/program";
import { CallError, type SessionState, SessionStatus } from "@heauth/protocol";
import type { SessionAnswer, SessionSource } from "../sessions/session.ts";
import type { Breaker } from "./breaker.ts";

/** The most that one call may ask for. */
export const MAX_BATCH = 512;

export interface LookUpsOptions {
  /** States of `sessions`, in that order. */
  call(tenant: string, sessions: string[]): Promise<SessionState[]>;
  breaker: Breaker;
  clock: Clock;
  /** Look-ups that may wait for a call to be free; more are refused. */
  maxWaiting: number;
}

interface Waiting {
  readonly tenant: string;
  readonly session: string;
  resolve(found: { answer: SessionAnswer; askedAt: Instant }): void;
  reject(error: Error): void;
}

/** Look-ups of one moment go together, in few calls. One session is to be asked for once at a time: see `createFlights`. */
export function createLookUps({ call, breaker, clock, maxWaiting }: LookUpsOptions): SessionSource {
  let waiting: Waiting[] = [];
  let calls = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      sendAll();
    });
  }

  function sendAll(): void {
    while (waiting.length > 0 && calls < breaker.limit()) void send(takeBatch());
    if (waiting.length === 0 || breaker.limit() > 0) return;
    for (const { reject } of waiting) reject(unavailable());
    waiting = [];
  }

  function takeBatch(): Waiting[] {
    const tenant = waiting[0]?.tenant;
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    for (const one of waiting) (one.tenant === tenant && batch.length < MAX_BATCH ? batch : rest).push(one);
    waiting = rest;
    return batch;
  }

  async function send(batch: Waiting[]): Promise<void> {
    const tenant = batch[0]?.tenant ?? "";
    const askedAt = instant(clock);
    calls += 1;
    try {
      const states = await call(
        tenant,
        batch.map(({ session }) => session),
      );
      breaker.succeeded();
      for (const [index, { session, resolve, reject }] of batch.entries()) {
        const state = states[index];
        if (state?.session === session) resolve({ answer: answerOf(state), askedAt });
        else reject(new CallError("INTERNAL", "the hub's answer is of another session"));
      }
    } catch (thrown) {
      const error = asError(thrown);
      breaker.failed(error instanceof CallError ? error.retryAfterMs : undefined);
      for (const { reject } of batch) reject(error);
    } finally {
      calls -= 1;
      sendAll();
    }
  }

  return {
    lookUp(tenant, session) {
      if (breaker.limit() === 0) return Promise.reject(unavailable());
      if (waiting.length >= maxWaiting) {
        return Promise.reject(new CallError("RESOURCE_EXHAUSTED", "too many look-ups wait for the hub"));
      }
      const { promise, resolve, reject } = Promise.withResolvers<{ answer: SessionAnswer; askedAt: Instant }>();
      waiting.push({ tenant, session, resolve, reject });
      schedule();
      return promise;
    },
  };
}

function unavailable(): CallError {
  return new CallError("UNAVAILABLE", "the hub has not answered lately");
}

function answerOf(state: SessionState): SessionAnswer {
  return {
    session: state.session,
    status: statusOf(state.status),
    generation: state.generation,
    user: state.user,
    statement: state.statement,
    statementSignature: state.statementSignature,
    subject: state.subject,
    roles: state.roles,
    closeReason: state.closeReason,
    idleMs: Number(state.idleUs) / 1000,
  };
}

/** A status that this version does not know lets nobody in. */
function statusOf(status: SessionStatus): SessionAnswer["status"] {
  if (status === SessionStatus.OPEN) return "Open";
  return status === SessionStatus.CLOSED ? "Closed" : "Unknown";
}
