import { Writable } from "node:stream";
import { createLogs, createMetrics } from "@heauth/program";
import type { ClusterClient, KubeObject, ResourceType } from "@heauth/program/kubernetes";
import { createInformer, type Informer, type InformerOptions } from "../runtime/informer.ts";

/** What is kept of an object in tests. */
export interface Seen {
  readonly uid: string | undefined;
  readonly text: string | undefined;
}

/** An informer for tests, with what it told, logged and measured. */
export interface Follower {
  readonly informer: Informer<Seen>;
  /** `+a 1`, `~a 1 2`, `-a 2`; `~a 1 2 (another)` where the uid changed. */
  readonly changes: readonly string[];
  /** What was logged, by level and message. */
  readonly logs: readonly string[];
  /** Resolves when this has been told of, from the beginning on. */
  told(change: string): Promise<void>;
  /** Resolves when this holds after a change, or after something was logged. */
  holds(condition: () => boolean): Promise<void>;
  /** By reason; those that did not happen are left out. */
  restarts(): Promise<Record<string, number>>;
  metric(name: string): Promise<number | undefined>;
}

/** `text` is the ConfigMap's `data.text`. */
export function createFollower(
  client: ClusterClient,
  type: ResourceType,
  options: Partial<InformerOptions<KubeObject, Seen>> = {},
): Follower {
  const changes: string[] = [];
  const logs: string[] = [];
  const waiting = new Set<() => void>();
  const happened = () => {
    for (const check of waiting) check();
  };
  const destination = new Writable({
    write(line, _encoding, done) {
      const { level, msg } = JSON.parse(line.toString());
      logs.push(`${level} ${msg}`);
      done();
      setImmediate(happened);
    },
  });
  const metrics = createMetrics();
  const say = (change: string) => {
    changes.push(change);
    happened();
  };
  const informer = createInformer<KubeObject, Seen>({
    client,
    type,
    project: ({ metadata: { uid }, ...rest }) => ({ uid, text: (rest as { data?: { text?: string } }).data?.text }),
    onChange: ({ name }, now, before) => {
      if (before === undefined) say(`+${name} ${now?.text}`);
      else if (now === undefined) say(`-${name} ${before.text}`);
      else say(`~${name} ${before.text} ${now.text}${before.uid === now.uid ? "" : " (another)"}`);
    },
    log: createLogs({ program: "test", level: "info", destination }).log,
    metrics,
    name: "test",
    ...options,
  });
  const measured = async () => (await metrics.text()).split("\n").map((line) => line.split(/ (?=\S+$)/));
  const holds = (condition: () => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => {
      if (!condition()) return;
      waiting.delete(check);
      resolve();
    };
    waiting.add(check);
    check();
    return promise;
  };
  return {
    informer,
    changes,
    logs,
    holds,
    told: (change) => holds(() => changes.includes(change)),
    async restarts() {
      const found = (await measured()).flatMap(([series = "", value]) => {
        const reason = /^heauth_informer_restarts_total\{.*reason="(\w+)"/.exec(series)?.[1];
        return reason === undefined ? [] : [[reason, Number(value)]];
      });
      return Object.fromEntries(found);
    },
    async metric(name) {
      const line = (await measured()).find(([series = ""]) => series.startsWith(`${name}{`));
      return line === undefined ? undefined : Number(line[1]);
    },
  };
}
