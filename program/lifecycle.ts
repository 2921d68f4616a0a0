import { asError, ProgramError } from "./errors.ts";
import type { Logger } from "./logs.ts";
import type { Part } from "./part.ts";

/** How long parts have to kill what they started, once the deadline has passed. */
const AFTER_DEADLINE_MS = 2_000;

/**
 * Several parts as one: started in order, stopped in reverse. When one cannot start, those before it are stopped and the
 * error is thrown. A part that cannot stop, or not in time, is logged and does not keep the others from stopping; then `stop`
 * throws too, at its end.
 */
export function inOrder(name: string, parts: Part[], log: Logger): Part {
  const started: Part[] = [];
  let stopping = false;

  async function stop(deadline: AbortSignal): Promise<void> {
    const failures: Error[] = [];
    stopping = true;
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      try {
        await Promise.race([part.stop(deadline), overdue(part.name, deadline)]);
      } catch (error) {
        failures.push(asError(error));
        log.error({ part: part.name, err: asError(error) }, "part did not stop");
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${name}'s parts did not stop`);
  }

  return {
    name,
    async start() {
      stopping = false;
      for (const part of parts) {
        if (stopping) throw new ProgramError("StartFailed", `${name} was stopped while it started`);
        started.push(part);
        try {
          await part.start();
        } catch (error) {
          // A stop that came meanwhile has taken it off already, and stops the others.
          if (started.at(-1) === part) started.pop();
          if (!stopping) await stop(AbortSignal.timeout(AFTER_DEADLINE_MS)).catch(() => {});
          throw error;
        }
      }
    },
    stop,
  };
}

function overdue(name: string, deadline: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const wait = () => {
    setTimeout(() => reject(new Error(`${name} was still stopping after the deadline`)), AFTER_DEADLINE_MS).unref();
  };
  if (deadline.aborted) wait();
  else deadline.addEventListener("abort", wait, { once: true });
  return promise;
}
