import { asError, createBackoff, type Logger, pause } from "@heauth/program";
import * as z from "zod";
import { SidecarError } from "../errors.ts";
import { askEnvoy } from "./envoy-admin.ts";

/**
 * Told when Envoy goes by the listeners it was given, or why it doesn't; again when that changes, and no more once it goes by them, or
 * was given others.
 */
export type Listening = (refusal?: string) => void;

export interface ListeningWatchOptions {
  /** Unix socket of Envoy's admin interface. */
  readonly adminSocket: string;
  readonly log: Logger;
}

/** Asks Envoy what it made of its listeners: it reads the file when it likes to, and goes on by the last ones where it refuses new ones. */
export interface ListeningWatch {
  /** @param version of the listeners that were just written */
  follow(version: string, listening: Listening): void;
  /** Nobody is told any more. */
  stop(): void;
}

const BACKOFF = { firstMs: 50, maxMs: 1_000 };
const ANSWER_WITHIN_MS = 2_000;
const TAKEN = "listener_manager.lds.version_text";
const WARMING = "listener_manager.total_listeners_warming";
const REJECTED = "listener_manager.lds.update_rejected";
const STATS = `/stats?format=json&filter=${encodeURIComponent(`^(${TAKEN}|${WARMING}|${REJECTED})$`.replaceAll(".", "\\."))}`;
const LISTENERS = "/config_dump?resource=dynamic_listeners";

const stats = z.object({
  stats: z.array(z.looseObject({ name: z.string().optional(), value: z.unknown().optional() })),
});
const listeners = z.object({
  configs: z
    .array(z.looseObject({ error_state: z.looseObject({ details: z.string().optional() }).optional() }))
    .optional(),
});

export function createListeningWatch({ adminSocket, log }: ListeningWatchOptions): ListeningWatch {
  let following = new AbortController();
  /** How many updates this Envoy had refused, when it was last asked. */
  let refusals = 0;

  async function page<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const { status, body } = await askEnvoy(adminSocket, path, signal);
    if (status !== 200) throw new SidecarError("EnvoyAdmin", `Envoy answers ${status} to ${path}`);
    return schema.parse(JSON.parse(body));
  }

  async function look(version: string, signal: AbortSignal): Promise<{ isTaken: boolean; refusal?: string }> {
    const found = await page(STATS, stats, signal);
    const values = new Map(found.stats.map(({ name, value }) => [name, value]));
    const refused = Number(values.get(REJECTED) ?? 0);
    const isNew = refused > refusals;
    refusals = refused;
    if (values.get(TAKEN) === version && values.get(WARMING) === 0) return { isTaken: true };
    if (!isNew) return { isTaken: false };
    const { configs = [] } = await page(LISTENERS, listeners, signal);
    const why = configs.flatMap(({ error_state }) => error_state?.details ?? []).join("; ");
    return { isTaken: false, refusal: `Envoy refuses the listeners: ${why || "it does not say why"}` };
  }

  async function run(version: string, listening: Listening, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(BACKOFF);
    while (!signal.aborted) {
      try {
        const { isTaken, refusal } = await look(
          version,
          AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
        );
        if (signal.aborted) return;
        if (isTaken) return listening();
        if (refusal !== undefined) {
          log.error({ reason: refusal }, "Envoy goes on by the listeners it had");
          listening(refusal);
        }
      } catch (error) {
        // It may not have started yet.
        log.debug({ err: asError(error) }, "Envoy does not say what it listens on");
      }
      // Rejects only because nobody waits any more.
      await pause(backoff.next(), signal).catch(() => undefined);
    }
  }

  return {
    follow(version, listening) {
      following.abort();
      following = new AbortController();
      void run(version, listening, following.signal);
    },
    stop: () => following.abort(),
  };
}
