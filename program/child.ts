import { type BackoffOptions, createBackoff, pause } from "./backoff.ts";
import { type ChildCommand, createTail, type Exit, type LineListener, type Run, startRun } from "./child-run.ts";
import { asError, ProgramError } from "./errors.ts";
import type { Logger } from "./logs.ts";
import type { Counter } from "./measure.ts";
import type { Part } from "./part.ts";
import { endLeftover, removePidFile, writePidFile } from "./pid-file.ts";

export interface ChildOptions {
  name: string;
  /** What to run; asked before every run. */
  command: () => ChildCommand | Promise<ChildCommand>;
  log: Logger;
  /** Resolves when the child does its work. Lines come through `onLine`. Ready at once unless given. */
  ready?: (run: Run, signal: AbortSignal) => Promise<void>;
  readyWithinMs: number;
  /** SIGTERM unless given. */
  stopSignal?: NodeJS.Signals;
  /** From the stop signal to SIGKILL. */
  stopWithinMs: number;
  /** How to start again after an unexpected exit. Without it, an exit is final. */
  restart?: BackoffOptions;
  /** A run this long makes the next wait short again. */
  stableAfterMs?: number;
  pidFile?: string;
  onLine?: LineListener;
  /** After each unexpected exit; `final` when there is no restart. */
  onExit?: (exit: Exit, final: boolean) => void;
  restarts?: Counter;
}

/** A child process that we keep running. It ends with us, even if we are killed. */
export interface Child extends Part {
  /** Of the present run; undefined between runs. */
  pid(): number | undefined;
}

export function createChild(options: ChildOptions): Child {
  const { name, log, stopSignal = "SIGTERM", stopWithinMs, stableAfterMs = 10_000 } = options;
  const stopping = { signal: stopSignal, withinMs: stopWithinMs };
  let run: Run | undefined;
  let ended: AbortController | undefined;
  let supervision: Promise<void> = Promise.resolve();

  /** One run until it is ready; a run that does not get there is ended. */
  async function begin(signal: AbortSignal): Promise<Run> {
    const tail = createTail();
    const begun = await startRun(await options.command(), stopping, (line, stream) => {
      tail.add(line);
      if (options.onLine === undefined) log.info({ child: name, stream }, line);
      else options.onLine(line, stream);
    });
    run = begun;
    const exited = begun.exited.then((exit): never => {
      throw new ProgramError("ChildFailed", `${name} ended ${describe(exit)} before it was ready:\n${tail.text()}`);
    });
    try {
      if (options.pidFile !== undefined) writePidFile(options.pidFile, begun.pid);
      const within = AbortSignal.any([signal, AbortSignal.timeout(options.readyWithinMs)]);
      await Promise.race([options.ready?.(begun, within), rejection(within, `${name} was not ready in time`), exited]);
      return begun;
    } catch (error) {
      begun.kill();
      await begun.exited;
      run = undefined;
      throw error;
    } finally {
      exited.catch(() => {});
    }
  }

  /** Starts it again whenever it ends, until we are told to stop. */
  async function supervise(first: Run, restart: BackoffOptions | undefined, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(restart ?? { firstMs: 0, maxMs: 0 });
    let current: Run | undefined = first;
    while (!signal.aborted) {
      if (current !== undefined) {
        const since = performance.now();
        const exit: Exit = await current.exited;
        run = undefined;
        if (signal.aborted) return;
        if (performance.now() - since >= stableAfterMs) backoff.reset();
        log.error({ child: name, ...exit }, "child ended unexpectedly");
        options.onExit?.(exit, restart === undefined);
        if (restart === undefined) return;
      }
      current = await pause(backoff.next(), signal).then(
        () => begin(signal).catch((error) => failed(error)),
        () => undefined,
      );
      if (current !== undefined) {
        options.restarts?.add();
        log.info({ child: name, childPid: current.pid }, "child started again");
      }
    }
  }

  function failed(error: unknown): undefined {
    log.error({ child: name, err: asError(error) }, "child did not start");
  }

  return {
    name,
    pid: () => run?.pid,
    async start() {
      if (options.pidFile !== undefined) {
        const left = await endLeftover(options.pidFile, stopping);
        if (left !== undefined) log.warn({ child: name, childPid: left }, "ended what a former run had left");
      }
      ended = new AbortController();
      const first = await begin(ended.signal);
      supervision = supervise(first, options.restart, ended.signal);
    },
    async stop(deadline) {
      ended?.abort(new ProgramError("StopFailed", `${name} is stopping`));
      const last = run;
      if (last !== undefined) await endRun(last, stopping, deadline);
      await supervision;
      if (options.pidFile !== undefined) removePidFile(options.pidFile);
    },
  };
}

/** The stop signal, then SIGKILL at the child's own limit or at the deadline, whichever is first. */
async function endRun(
  run: Run,
  stop: { signal: NodeJS.Signals; withinMs: number },
  deadline: AbortSignal,
): Promise<void> {
  run.signal(stop.signal);
  const limit = AbortSignal.any([deadline, AbortSignal.timeout(stop.withinMs)]);
  const kill = () => run.kill();
  if (limit.aborted) kill();
  limit.addEventListener("abort", kill, { once: true });
  await run.exited;
  limit.removeEventListener("abort", kill);
}

function rejection(signal: AbortSignal, message: string): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const give = () => reject(new ProgramError("StartFailed", message, { cause: signal.reason }));
  if (signal.aborted) give();
  else signal.addEventListener("abort", give, { once: true });
  return promise;
}

function describe({ code, signal }: Exit): string {
  return signal === null ? `with exit code ${code}` : `by ${signal}`;
}
