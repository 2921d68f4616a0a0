import { asError, createBackoff, type Logger, pause } from "@heauth/program";
import * as z from "zod";
import { SidecarError } from "../errors.ts";
import { askEnvoy } from "./envoy-admin.ts";
import type { ListenersFile } from "./listeners-file.ts";

/** Told when Envoy goes by the listeners it was given, or why it doesn't; again whenever that changes, until it is given others. */
export type TellListening = (refusal?: string) => void;

export interface ListeningWatchOptions {
  /** Unix socket of Envoy's admin interface. */
  readonly adminSocket: string;
  readonly file: ListenersFile;
  readonly log: Logger;
  /** How long Envoy may leave listeners alone without a word; 10 s unless given. */
  readonly silentAfterMs?: number;
  /** How often one that went by them is looked at again: it may have started anew since; every 30 s unless given. */
  readonly lookAgainMs?: number;
}

/**
 * Asks Envoy what it made of the listeners in the file: it reads them when it likes to, and goes on by the last ones where it refuses
 * them. What it refused is put before it again: a port may have been in use for a moment only.
 */
export interface ListeningWatch {
  /** @param version of the listeners in the file */
  follow(version: string, tell: TellListening): void;
  /** Nobody is told any more. */
  stop(): void;
}

const ASK = { firstMs: 50, maxMs: 1_000 };
const TRY_AGAIN = { firstMs: 5_000, maxMs: 60_000 };
const LOOK_AGAIN_MS = 30_000;
const ANSWER_WITHIN_MS = 2_000;
const SILENT_AFTER_MS = 10_000;
/** The hub takes no message of more than 1,000 characters. */
const WORDS = 500;

const VERSION = "listener_manager.lds.version_text";
const WARMING = "listener_manager.total_listeners_warming";
const WORKING = "listener_manager.workers_started";
const NAMES = `^(${[VERSION, WARMING, WORKING].join("|")})$`.replaceAll(".", "\\.");
const STATS = `/stats?format=json&filter=${encodeURIComponent(NAMES)}`;
const LISTENERS = "/config_dump?resource=dynamic_listeners";

const stats = z.object({
  stats: z.array(z.looseObject({ name: z.string().optional(), value: z.unknown().optional() })),
});
const errorState = z.looseObject({ details: z.string().default(""), last_update_attempt: z.string().default("") });
const listeners = z.object({ configs: z.array(z.looseObject({ error_state: errorState.optional() })).default([]) });

type State = "Taken" | "Waiting" | { readonly refusal: string };

export function createListeningWatch(options: ListeningWatchOptions): ListeningWatch {
  const { adminSocket, file, log, silentAfterMs = SILENT_AFTER_MS, lookAgainMs = LOOK_AGAIN_MS } = options;
  let following = new AbortController();

  async function page<T>(path: string, schema: z.ZodType<T>, stopping: AbortSignal): Promise<T> {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    const { status, body } = await askEnvoy(adminSocket, path, signal);
    if (status !== 200) throw new SidecarError("EnvoyAdmin", `Envoy answers ${status} to ${path}`);
    return schema.parse(JSON.parse(body));
  }

  /** @returns undefined where Envoy does not answer: it may not have started yet */
  async function look(version: string, stopping: AbortSignal): Promise<State | undefined> {
    try {
      const found = await page(STATS, stats, stopping);
      const values = new Map(found.stats.map(({ name, value }) => [name, value]));
      if (values.get(VERSION) === version && values.get(WARMING) === 0 && values.get(WORKING) === 1) return "Taken";
      const { configs } = await page(LISTENERS, listeners, stopping);
      // What it refused before may still stand there.
      const refusals = configs.flatMap(({ error_state: refused }) =>
        refused !== undefined && Date.parse(refused.last_update_attempt) >= file.writtenAtMs ? [refused.details] : [],
      );
      return refusals.length === 0
        ? "Waiting"
        : { refusal: `Envoy refuses the listeners: ${words(refusals.join("; "))}` };
    } catch (error) {
      log.debug({ err: asError(error) }, "Envoy does not say what it listens on");
      return undefined;
    }
  }

  async function run(version: string, tell: TellListening, stopping: AbortSignal): Promise<void> {
    const asking = createBackoff(ASK);
    const trying = createBackoff(TRY_AGAIN);
    let said: { refusal: string | undefined } | undefined;
    /** Since when it answers without having taken them, and when they are put before it again; by the monotonic clock, in ms. */
    let waitingSince: number | undefined;
    let tryAgainAt: number | undefined;

    function say(refusal: string | undefined): void {
      if (said !== undefined && said.refusal === refusal) return;
      if (refusal !== undefined) log.error({ reason: refusal }, "Envoy goes on by the listeners it had");
      said = { refusal };
      tell(refusal);
    }

    function taken(): void {
      waitingSince = undefined;
      tryAgainAt = undefined;
      trying.reset();
      say(undefined);
    }

    async function notTaken(state: Exclude<State, "Taken">): Promise<void> {
      const now = performance.now();
      waitingSince ??= now;
      if (state !== "Waiting") say(state.refusal);
      else if (now - waitingSince >= silentAfterMs) say("Envoy does not take the listeners, and its log says why");
      else return;
      tryAgainAt ??= now + trying.next();
      if (now < tryAgainAt) return;
      tryAgainAt = now + trying.next();
      waitingSince = undefined;
      await file.again().catch((error: unknown) => log.warn({ err: asError(error) }, "the listeners can't be written"));
    }

    while (!stopping.aborted) {
      const state = await look(version, stopping);
      if (stopping.aborted) return;
      if (state === "Taken") taken();
      else if (state !== undefined) await notTaken(state);
      // Rejects only because nobody waits any more.
      await pause(state === "Taken" ? lookAgainMs : asking.next(), stopping).catch(() => undefined);
    }
  }

  return {
    follow(version, tell) {
      following.abort();
      following = new AbortController();
      void run(version, tell, following.signal);
    },
    stop: () => following.abort(),
  };
}

/** On one line, and not too long. */
function words(text: string): string {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .trim();
  return line.length <= WORDS ? line : `${line.slice(0, WORDS).toWellFormed()}…`;
}
