import { readFile } from "node:fs/promises";
import { asError, ProgramError } from "./errors.ts";
import type { Logger } from "./logs.ts";
import type { Part } from "./part.ts";

/** What files hold that are replaced while the program runs: certificates, tokens. */
export interface RotatingFiles<T> extends Part {
  /** What the files last held that was good. */
  current(): T;
  /** Why the files, as they are now, can't be taken; nothing while they can. */
  readonly problem: string | undefined;
  /** Tells of each new one, and of the one before; the answer ends that. */
  subscribe(listener: (now: T, before: T) => void): () => void;
  /** Looks at once, whether there is something new. */
  look(): Promise<void>;
}

export interface RotatingFilesOptions<T> {
  /** For logs and errors: what the files hold. */
  name: string;
  /** Their contents make one thing, in this order. */
  files: readonly string[];
  /** Throws when they don't fit together, as half-way through a replacement. Its message may be logged. */
  parse: (contents: readonly Buffer[]) => T;
  log: Logger;
  /** Between two looks, ms. */
  everyMs?: number;
}

/**
 * Looks at the files' contents from time to time: a mounted Secret or projected volume is replaced by changing a link, which not
 * every way of watching sees. What can't be read, or is no good, changes nothing.
 * @throws ProgramError StartFailed, by `start`, when there is nothing good to begin with
 */
export function createRotatingFiles<T>(options: RotatingFilesOptions<T>): RotatingFiles<T> {
  const { name, files, parse, log, everyMs = 5_000 } = options;
  const listeners = new Set<(now: T, before: T) => void>();
  let held: { readonly value: T; readonly bytes: Buffer } | undefined;
  let problem: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  async function read(): Promise<void> {
    const contents = await Promise.all(files.map((file) => readFile(file)));
    const bytes = Buffer.concat(contents);
    if (held?.bytes.equals(bytes)) return;
    const value = parse(contents);
    const before = held?.value;
    held = { value, bytes };
    if (before === undefined) return;
    log.info({ files }, `${name} was replaced`);
    for (const listener of listeners) listener(value, before);
  }

  async function lookAgain(): Promise<void> {
    try {
      await read();
      problem = undefined;
    } catch (thrown) {
      const { message } = asError(thrown);
      if (message !== problem)
        log.error({ files, reason: message }, `${name} can't be replaced: the last good one stays`);
      problem = message;
    }
  }

  function look(): Promise<void> {
    looking ??= lookAgain().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  return {
    name,
    current() {
      if (held === undefined) throw new ProgramError("StartFailed", `${name} was not read yet`);
      return held.value;
    },
    get problem() {
      return problem;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    look,
    async start() {
      try {
        await read();
      } catch (error) {
        throw new ProgramError("StartFailed", `no ${name} in ${files.join(", ")}`, { cause: error });
      }
      timer = setInterval(() => void look(), everyMs);
    },
    async stop() {
      clearInterval(timer);
      listeners.clear();
      await looking;
    },
  };
}
