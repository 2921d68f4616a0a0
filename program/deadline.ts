import { ProgramError } from "./errors.ts";

/**
 * The work's result, or `DeadlineExceeded` after `withinMs`. The work gets a signal that aborts then; its later result or error is
 * dropped, because nobody waits for it any more.
 */
export async function withDeadline<T>(
  withinMs: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new ProgramError("DeadlineExceeded", `${what} took longer than ${withinMs} ms`);
    controller.abort(error);
    reject(error);
  }, withinMs);
  try {
    return await Promise.race([work(controller.signal), expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** The work's result, unless the signal aborts first: then its reason is thrown, and what becomes of the work is dropped. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
