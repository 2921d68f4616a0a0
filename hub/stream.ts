import { type CallError, EventKind, type Hello } from "@heauth/protocol";
import type { OutboxEvent, OutboxKind, PolicyName } from "@heauth/store";
import { type Caller, isNamed, podOf } from "./callers.ts";
import type { History } from "./history.ts";
import type { Outgoing } from "./outgoing.ts";
import type { ServedPolicy } from "./policy-board.ts";

export interface StreamParts {
  caller: Caller;
  hello: Hello;
  outgoing: Outgoing;
  history: History;
  /** The store whose events `history` has. */
  store: string;
  /** Id of the hub's program key. */
  registrar: string;
}

/** One sidecar's stream after its Hello: what it has been told. */
export interface Stream {
  /** As last looked at. */
  caller: Caller;
  /**
   * Tells what of the caller's policies is new: all of them at first. A sidecar records for one tenant: on another one's policy the
   * stream ends, so that nothing of the former's is left of it.
   */
  policies(policies: readonly ServedPolicy[]): void;
  /** The policy of this name, as it was last told; null where it was told once and is no more, undefined where it never was. */
  told(name: PolicyName): ServedPolicy | null | undefined;
  event(event: OutboxEvent): void;
  /** Begins tenants whose events were not read yet when their policy was told. */
  settle(): void;
  /** Whether it is told of the tenant's events. */
  hears(tenantId: string): boolean;
  /** Whether the watermark is another one than the stream last brought of the journal. */
  isNewMark(journalId: string, seq: number): boolean;
  probed(nonce: bigint, ageMs: number): void;
  end(error?: CallError): void;
  /** Ends it in order; the sidecar comes back after a while of its own choosing. */
  goodbye(reconnectAfterMs: number): void;
}

const MAX_MARKS = 16;

/** Says Welcome. */
export function createStream({ caller, hello, outgoing, history, store, registrar }: StreamParts): Stream {
  const begun = new Set<string>();
  const marks = new Map<string, number>();
  const told = new Map<string, { policy: ServedPolicy; print: string }>();
  const once: PolicyName[] = [];
  const cursors = new Map(hello.store === store ? hello.cursors.map(({ tenant, seq }) => [tenant, Number(seq)]) : []);

  /** From the sidecar's own place on, where that can be served. In one turn with the reading of events: none is missed. */
  function begin(tenantId: string): void {
    if (begun.has(tenantId)) return;
    const head = history.head(tenantId);
    if (head === undefined) return;
    begun.add(tenantId);
    const cursor = cursors.get(tenantId);
    const missed = cursor === undefined ? undefined : history.since(tenantId, cursor);
    const seq = cursor === undefined || missed === undefined ? head : cursor;
    outgoing.send({ case: "begin", value: { tenant: tenantId, seq: BigInt(seq) } });
    for (const event of missed ?? []) send(event);
  }

  function send({ tenantId, seq, kind, sessionId = "", generation = 0 }: OutboxEvent): void {
    const value = {
      tenant: tenantId,
      seq: BigInt(seq),
      kind: kinds[kind],
      session: sessionId,
      generation: BigInt(generation),
    };
    outgoing.send({ case: "event", value });
  }

  function tell(policy: ServedPolicy): void {
    begin(policy.tenantId);
    const print = printOf(policy);
    const key = keyOf(policy);
    if (told.get(key)?.print === print) return;
    told.set(key, { policy, print });
    if (!once.some(isNamed(policy))) once.push({ namespace: policy.namespace, name: policy.name });
    const { namespace, name, digest, compiled, tenantId: tenant, tagKeys } = policy;
    const value = { namespace, name, digest, compiled, tenant, tagKeys: tagKeys.map(({ id, key }) => ({ id, key })) };
    outgoing.send({ case: "policy", value });
  }

  function goodbye(reconnectAfterMs: number): void {
    outgoing.send({ case: "goodbye", value: { reconnectAfterMs } });
    outgoing.end();
  }

  outgoing.send({ case: "welcome", value: { protocol: hello.protocol, store, registrar, pod: podOf(caller) } });
  return {
    caller,
    policies(policies) {
      const tenants = [...told.values()].map(({ policy }) => policy.tenantId);
      const isOthers = ({ tenantId }: ServedPolicy) => tenants.length > 0 && !tenants.includes(tenantId);
      if (policies.some(isOthers)) return goodbye(0);
      for (const policy of policies) tell(policy);
      const present = new Set(policies.map(keyOf));
      for (const [key, { policy }] of told) {
        if (present.has(key)) continue;
        told.delete(key);
        outgoing.send({ case: "policyRemoved", value: { namespace: policy.namespace, name: policy.name } });
      }
    },
    told(name) {
      const isTold = isNamed(name);
      return told.get(keyOf(name))?.policy ?? (once.some(isTold) ? null : undefined);
    },
    event(event) {
      if (begun.has(event.tenantId)) send(event);
    },
    settle() {
      for (const { policy } of told.values()) begin(policy.tenantId);
    },
    hears: (tenantId) => begun.has(tenantId),
    isNewMark(journalId, seq) {
      if (marks.get(journalId) === seq) return false;
      // A sidecar writes to few journals at a time.
      if (marks.size >= MAX_MARKS) marks.clear();
      marks.set(journalId, seq);
      return true;
    },
    probed(nonce, ageMs) {
      outgoing.send({ case: "probeAnswer", value: { nonce, ageUs: BigInt(Math.ceil(ageMs * 1000)) } });
    },
    end: (error) => outgoing.end(error),
    goodbye,
  };
}

const kinds: Record<OutboxKind, EventKind> = {
  "session.closed": EventKind.SESSION_CLOSED,
  "session.changed": EventKind.SESSION_CHANGED,
  "policy.changed": EventKind.OTHER,
  "tenant.changed": EventKind.TENANT_CHANGED,
};

function keyOf({ namespace, name }: PolicyName): string {
  return `${namespace}/${name}`;
}

function printOf({ tenantId, digest, tagKeys }: ServedPolicy): string {
  return [tenantId, digest, ...tagKeys.map(({ id }) => id)].join(" ");
}
