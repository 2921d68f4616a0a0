import { constants } from "node:os";
import { asError } from "./errors.ts";
import type { Health } from "./health.ts";
import { inOrder } from "./lifecycle.ts";
import type { Logger } from "./logs.ts";
import type { Part } from "./part.ts";

/** sysexits.h: an error in the program itself. */
const EX_SOFTWARE = 70;

/** Ends the program because a part cannot go on; the first call counts. */
export type Fail = (error: unknown, exitCode?: number) => void;

export interface ProgramOptions {
  name: string;
  log: Logger;
  /** Composes the parts, in the order of their start. */
  parts: (fail: Fail) => Part[] | Promise<Part[]>;
  /** From the first signal to the end of politeness. */
  stopWithinMs: number;
  health?: Health;
  /** After all parts have started. */
  onReady?: () => void | Promise<void>;
}

/**
 * Runs a program until SIGINT or SIGTERM, an uncaught error, or a part's `fail`; stops its parts in reverse order and ends the
 * process. Exit codes: 0 after a signal, 1 when the start or the stop failed, 70 after an uncaught error, or the one that the part
 * gave. A second signal ends the process at once, with 128 + its number.
 */
export async function runProgram(options: ProgramOptions): Promise<never> {
  const { name, log, health, stopWithinMs } = options;
  const { promise: end, resolve: finish } = Promise.withResolvers<number>();
  const fail: Fail = (error, exitCode = EX_SOFTWARE) => {
    log.fatal({ err: asError(error), exitCode }, "the program cannot go on");
    finish(exitCode);
  };
  // A part that hangs without a timer or a socket would otherwise let Node end the process before its time.
  setInterval(() => {}, 60_000);
  catchUncaught(log, fail);
  onSignals(log, () => finish(0));

  let whole: Part | undefined;
  let exitCode = 0;
  try {
    whole = inOrder(name, await options.parts(fail), log);
    const starting = whole.start().then(options.onReady);
    // A signal or a failure may come first; the start then ends with an error that says nothing new.
    starting.catch(() => {});
    exitCode = await Promise.race([starting.then(() => end), end]);
  } catch (error) {
    log.fatal({ err: asError(error) }, `${name} did not start: ${reasons(error)}`);
    exitCode = 1;
  }
  health?.drain();
  await whole?.stop(AbortSignal.timeout(stopWithinMs)).catch((error) => {
    log.error({ err: asError(error) }, `${name} did not stop cleanly`);
    exitCode ||= 1;
  });
  log.info({ exitCode }, `${name} has ended`);
  process.exit(exitCode);
}

/** What went wrong, and because of what. */
function reasons(error: unknown): string {
  const { message, cause } = asError(error);
  return cause === undefined ? message : `${message}: ${reasons(cause)}`;
}

/** Within this time a repeated signal is the same wish: npm passes on a Ctrl-C that the terminal has sent us already. */
const SAME_WISH_MS = 500;

function onSignals(log: Logger, stop: () => void): void {
  let first: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (first !== undefined) {
        if (performance.now() - first < SAME_WISH_MS) return;
        log.warn({ signal }, "second signal: ending at once");
        process.exit(128 + constants.signals[signal]);
      }
      first = performance.now();
      log.info({ signal }, "stopping");
      stop();
    });
  }
}

/** After the first uncaught error the state is unknown: stop what can be stopped, end with an error. A second one ends at once. */
function catchUncaught(log: Logger, fail: Fail): void {
  let failing = false;
  const handle = (error: unknown) => {
    if (failing) {
      log.fatal({ err: asError(error) }, "another uncaught error: ending at once");
      process.exit(EX_SOFTWARE);
    }
    failing = true;
    fail(error);
  };
  process.on("uncaughtException", handle);
  process.on("unhandledRejection", handle);
}
