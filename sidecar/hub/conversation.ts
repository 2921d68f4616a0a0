import { type Clock, type Instant, instant } from "@heauth/program";
import {
  type Begin,
  CallError,
  type Event,
  EventKind,
  type Policy,
  type PolicyRemoved,
  PROTOCOL,
  type ProbeAnswer,
  type SyncRequestInit,
  type SyncResponse,
  type Welcome,
} from "@heauth/protocol";
import type { SessionEvent, SyncListener } from "../sessions/session.ts";
import type { Places } from "./places.ts";

/** What the app made of a policy it was given. */
export interface PolicyVerdict {
  readonly enforced: boolean;
  readonly missingFeatures: readonly string[];
  /** Why it is not enforced; empty otherwise. */
  readonly message: string;
}

export interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

/** Everything journalled before event `outboxSeq` was seen has been committed. */
export interface Watermark {
  readonly tenant: string;
  readonly journal: string;
  readonly outboxSeq: bigint;
}

/** Who is told of what a stream brings. */
export interface SyncHandlers {
  welcome(welcome: { registrar: string; pod: string }): void;
  policy(policy: Policy, answer: (verdict: PolicyVerdict) => void): void;
  policyRemoved(name: PolicyRemoved): void;
  /** Once per stream: the hub has told all policies that are this pod's. */
  policiesTold(names: readonly PolicyName[]): void;
  sessions: SyncListener;
  /** An event was taken in: every decision from now on knows of it. */
  seen(tenant: string, seq: bigint): void;
  /** Asked before each probe. */
  watermarks(): readonly Watermark[];
}

export interface ConversationParts {
  places: Places;
  handlers: SyncHandlers;
  clock: Clock;
  send(message: NonNullable<SyncRequestInit["message"]>): void;
}

/** What is said on one stream, after Hello. */
export interface Conversation {
  /** When the hub was last known to listen. */
  readonly answeredAt: Instant;
  readonly reconnectAfterMs: number;
  /** @throws CallError for what a hub never says */
  take(response: SyncResponse): void;
  probe(): void;
  /** Nothing can be said any more. */
  end(): void;
}

export function createConversation({ places, handlers, clock, send }: ConversationParts): Conversation {
  const probes = new Map<bigint, Instant>();
  /** By namespace and name. */
  const newest = new Map<string, Policy>();
  /** Until the first answer to a probe, which comes after them. */
  let told: PolicyName[] | undefined = [];
  let welcomed = false;
  let isOver = false;
  let nonce = 0n;
  let answeredAt = instant(clock);
  let reconnectAfterMs = 0;

  function welcome({ protocol, store, registrar, pod }: Welcome): void {
    if (welcomed || protocol !== PROTOCOL) throw unexpected("the hub does not speak this protocol");
    welcomed = true;
    if (places.enter(store)) handlers.sessions.storeChanged();
    handlers.welcome({ registrar, pod });
  }

  function begin(place: Begin): void {
    handlers.sessions.begin(place.tenant, places.begin(place));
    handlers.seen(place.tenant, place.seq);
  }

  function event(one: Event): void {
    if (!places.step(one)) throw unexpected("an event is missing");
    const told = sessionEvent(one);
    if (told !== undefined) handlers.sessions.event(told);
    handlers.seen(one.tenant, one.seq);
  }

  function policy(given: Policy): void {
    const { namespace, name, digest } = given;
    told?.push({ namespace, name });
    newest.set(`${namespace}/${name}`, given);
    handlers.policy(given, ({ enforced, missingFeatures, message }) => {
      // The next stream brings the policy again. And what was in force before a newer one came may still be judged.
      if (isOver || newest.get(`${namespace}/${name}`) !== given) return;
      const ack = { namespace, name, digest, enforced, missingFeatures: [...missingFeatures], message };
      send({ case: "policyAck", value: ack });
    });
  }

  function policyRemoved(removed: PolicyRemoved): void {
    newest.delete(`${removed.namespace}/${removed.name}`);
    handlers.policyRemoved(removed);
  }

  function probeAnswer({ nonce: answered, ageUs }: ProbeAnswer): void {
    const sentAt = probes.get(answered);
    if (sentAt === undefined) throw unexpected("an answer to no probe");
    for (const known of probes.keys()) if (known <= answered) probes.delete(known);
    answeredAt = instant(clock);
    if (told !== undefined) handlers.policiesTold(told);
    told = undefined;
    handlers.sessions.horizon(before(sentAt, Number(ageUs) / 1000));
  }

  return {
    get answeredAt() {
      return answeredAt;
    },
    get reconnectAfterMs() {
      return reconnectAfterMs;
    },
    take({ message }) {
      if (!welcomed && message.case !== "welcome") throw unexpected("the hub's first message is no welcome");
      if (message.case === "welcome") welcome(message.value);
      else if (message.case === "begin") begin(message.value);
      else if (message.case === "event") event(message.value);
      else if (message.case === "probeAnswer") probeAnswer(message.value);
      else if (message.case === "policy") policy(message.value);
      else if (message.case === "policyRemoved") policyRemoved(message.value);
      else if (message.case === "goodbye") reconnectAfterMs = message.value.reconnectAfterMs;
      // Anything else is of a later version: nothing that this one must know.
    },
    probe() {
      if (!welcomed) return;
      const watermarks = handlers.watermarks().map((watermark) => ({ ...watermark }));
      nonce += 1n;
      probes.set(nonce, instant(clock));
      send({ case: "probe", value: { nonce, watermarks } });
    },
    end() {
      isOver = true;
    },
  };
}

function unexpected(message: string): CallError {
  return new CallError("INTERNAL", message);
}

function before({ wallMs, monotonicMs }: Instant, ms: number): Instant {
  return { wallMs: wallMs - ms, monotonicMs: monotonicMs - ms };
}

function sessionEvent({ kind, tenant, session, generation }: Event): SessionEvent | undefined {
  switch (kind) {
    case EventKind.OTHER:
      return undefined;
    case EventKind.SESSION_CLOSED:
      return { kind: "SessionClosed", tenant, session, generation };
    case EventKind.SESSION_CHANGED:
      return { kind: "SessionChanged", tenant, session, generation };
    default:
      return { kind: "TenantChanged", tenant };
  }
}
