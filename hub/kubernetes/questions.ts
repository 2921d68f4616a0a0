import { type Clock, elapsedMs, type Instant, instant, type Logger } from "@heauth/program";
import { ClusterError, isClusterError } from "@heauth/program/kubernetes";
import { CallError } from "@heauth/protocol";
import { isRefusal } from "../callers.ts";

/** How long a caller is asked to wait while the API server does not answer, ms. */
const RETRY_AFTER_MS = 1_000;
/** From one question to the next while there are no answers, ms, where one can do without. */
const ASK_AGAIN_MS = 1_000;

/** What is asked of the API server about callers, and whether it answers. */
export interface Questions {
  /** @throws CallError the question's own, which is an answer; UNAVAILABLE when there was none */
  ask<T>(question: () => Promise<T>): Promise<T>;
  /** Whether to ask at all, for whoever can do without: while there are no answers, one at a time finds out for all. */
  worthAsking(): boolean;
}

export function createQuestions({ clock, log }: { clock: Clock; log: Logger }): Questions {
  let troubled = false;
  /** When nobody answered, the last time that somebody asked; undefined after an answer. */
  let silent: Instant | undefined;

  function answered(): void {
    if (troubled) log.info("the API server can be asked again who calls");
    troubled = false;
    silent = undefined;
  }

  function failed(error: ClusterError): CallError {
    const { code, retryAfterMs = RETRY_AFTER_MS } = error;
    silent = isSilence(error) ? instant(clock) : undefined;
    const effect = silent === undefined ? "sidecars are sent away" : "for a while, known sidecars stay known";
    // Once, not for each of thousands of sidecars.
    if (!troubled) log.error({ err: error, code }, `the API server can't be asked who calls; ${effect}`);
    troubled = true;
    return new CallError("UNAVAILABLE", "the API server can't be asked who calls", { retryAfterMs, cause: error });
  }

  return {
    async ask(question) {
      try {
        const answer = await question();
        answered();
        return answer;
      } catch (error) {
        if (error instanceof ClusterError) throw failed(error);
        if (error instanceof CallError && isRefusal(error)) answered();
        throw error;
      }
    },
    worthAsking() {
      if (silent === undefined) return true;
      if (elapsedMs(clock, silent) < ASK_AGAIN_MS) return false;
      silent = instant(clock);
      return true;
    },
  };
}

/** Whether nobody answered; where the API server refuses us the question, it has answered. */
export function isSilence(error: unknown): boolean {
  const cause = error instanceof CallError ? error.cause : error;
  return isClusterError(cause, "Unreachable", "Timeout", "ServerError");
}
