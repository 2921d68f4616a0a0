import { randomBytes } from "node:crypto";
import { asError, type Clock, type Logger, type Part, sparingly, systemClock } from "@heauth/program";
import { type ClusterClient, EVENTS, type KubeObject } from "@heauth/program/kubernetes";
import { microTime } from "./lease.ts";

/** Within this time the same is not said again. */
const REPEAT_MS = 10 * 60_000;
const MOST_WAITING = 200;
/** How far apart it is said that events are left out. */
const TELL_EVERY_MS = 60_000;
const MOST_REMEMBERED = 2_000;
/** What the API server takes. */
const MOST_NOTE_BYTES = 1024;
const MOST_NAME = 200;

/** `v1.ObjectReference`: what an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
}

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** Why, as a word in upper camel case. */
  readonly reason: string;
  /** What was done or tried, as a word in upper camel case. */
  readonly action: string;
  /** For people. */
  readonly note: string;
}

export interface EventsOptions {
  readonly client: ClusterClient;
  /** As `heauth.io/operator`. */
  readonly reportingController: string;
  /** Which process. */
  readonly reportingInstance: string;
  readonly log: Logger;
  readonly clock?: Clock;
}

export interface Events extends Part {
  /** Writes an Event in the background: at best, never twice the same within 10 minutes. Never throws and never waits. */
  record(regarding: Regarding, event: EventText): void;
}

/** Tells in the cluster, for `kubectl describe`, what became of an object. */
export function createEvents(options: EventsOptions): Events {
  const { client, log, clock = systemClock } = options;
  const waiting: { key: string; event: KubeObject }[] = [];
  /** When something was said, in the order that it was said. */
  const said = new Map<string, number>();
  let sending: Promise<void> | undefined;
  const tellDropped = sparingly<EventText>({ clock, everyMs: TELL_EVERY_MS }, ({ reason }, unsaid) =>
    log.warn({ reason, dropped: unsaid + 1 }, "more events than can be written: some are left out"),
  );

  function isNew(key: string): boolean {
    const nowMs = clock.monotonicMs();
    const beforeMs = said.get(key);
    if (beforeMs !== undefined && nowMs - beforeMs < REPEAT_MS) return false;
    said.delete(key);
    said.set(key, nowMs);
    const [oldest] = said.keys();
    if (said.size > MOST_REMEMBERED && oldest !== undefined) said.delete(oldest);
    return true;
  }

  async function send(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { key, event } = next;
      await client.create(EVENTS, event).catch((error) => {
        said.delete(key);
        log.debug({ err: asError(error) }, "an event could not be written");
      });
    }
    sending = undefined;
  }

  return {
    name: "events",
    async start() {},
    record(regarding, text) {
      const { apiVersion, kind, namespace = "", name, uid = "" } = regarding;
      const key = JSON.stringify([apiVersion, kind, namespace, name, uid, text.type, text.reason, text.note]);
      if (!isNew(key)) return;
      if (waiting.length >= MOST_WAITING) {
        said.delete(key);
        tellDropped(text);
        return;
      }
      waiting.push({ key, event: eventOf(regarding, text, options, clock.wallMs()) });
      sending ??= send();
    },
    /** Writes what waits, as long as there is time. */
    async stop(deadline) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      if (deadline.aborted) resolve();
      deadline.addEventListener("abort", () => resolve(), { once: true });
      await Promise.race([sending, late]);
      waiting.length = 0;
    },
  };
}

/** events.k8s.io/v1. One about something without a namespace lives in `default`. */
function eventOf(
  regarding: Regarding,
  { type, reason, action, note }: EventText,
  { reportingController, reportingInstance }: EventsOptions,
  nowMs: number,
): KubeObject {
  const { namespace, name } = regarding;
  return {
    metadata: { namespace: namespace || "default", name: `${beginning(name)}.${randomBytes(8).toString("hex")}` },
    eventTime: microTime(nowMs),
    reportingController,
    reportingInstance: reportingInstance.slice(0, 128),
    regarding,
    type,
    reason,
    action,
    note: cut(note, MOST_NOTE_BYTES),
  } as KubeObject;
}

/** As much of a name as a longer name may begin with. */
function beginning(name: string): string {
  return name.slice(0, MOST_NAME).replace(/[^a-z0-9]+$/, "");
}

/** The text's beginning, in whole characters. */
function cut(text: string, mostBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytes) return text;
  return `${new TextDecoder().decode(bytes.subarray(0, mostBytes - 3), { stream: true })}…`;
}
