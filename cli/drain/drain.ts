import { setTimeout as pause } from "node:timers/promises";
import { drainSidecar, type UnderWay, type Unshipped, underWay } from "@heauth/sidecar/drain";

const LOOK_AGAIN_MS = 100;
/** One that does not answer for this long is asked again. */
const ANSWER_WITHIN_MS = 2_000;
const SAY_AGAIN_MS = 5_000;

export interface DrainOptions {
  /** Folder of Envoy's configuration, as the sidecar was told. */
  readonly podEnvoy: string;
  readonly withinMs: number;
  /** Told what is waited for, now and then. */
  readonly say: (line: string) => void;
}

export interface Drained {
  readonly tookMs: number;
  /** What was left in the end; nothing where everything is done. */
  readonly waitsFor: readonly string[];
}

/** Tells the sidecar that the pod goes, and waits until nothing is under way, as long as it may and one answer longer. Never rejects. */
export async function drain({ podEnvoy, withinMs, say }: DrainOptions): Promise<Drained> {
  const from = performance.now();
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const waitsFor = await look(podEnvoy);
    const now = performance.now();
    if (waitsFor.length === 0 || now - from >= withinMs) return { tookMs: now - from, waitsFor };
    if (now - saidAt >= SAY_AGAIN_MS) {
      say(waitsFor.join(", "));
      saidAt = now;
    }
    await pause(LOOK_AGAIN_MS);
  }
}

/** What there is to wait for: of the sidecar even where Envoy does not answer, and the other way round. */
async function look(podEnvoy: string): Promise<string[]> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const [sidecar, envoy] = await Promise.all([
    drainSidecar(podEnvoy, signal).then(unshipped, (error) => [`the sidecar, which ${whyNot(error)}`]),
    underWay(podEnvoy, signal).then(requests, (error) => [`Envoy, which ${whyNot(error)}`]),
  ]);
  return [...envoy, ...sidecar];
}

function requests({ requests, connections }: UnderWay): string[] {
  return [...counted(requests, "request under way"), ...counted(connections, "open connection")];
}

function unshipped({ records, journals }: Unshipped): string[] {
  return [
    ...counted(records, "record that the hub has not committed"),
    ...counted(journals, "journal of an ended process"),
  ];
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} × ${what}`];
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ECONNREFUSED") return `is not there (${code})`;
  return message.startsWith("answers ") ? message : "does not answer";
}
