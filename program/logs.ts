import pino from "pino";
import { redacted, serializeError, withoutUrlPassword } from "./redact.ts";

export type Logger = pino.Logger;

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  /** The program's name, in every line. */
  program: string;
  level: LogLevel;
  /** Where the lines go; standard error unless given. */
  destination?: pino.DestinationStream;
}

/** A program's logs: JSON lines on standard error, written synchronously, so that the last words of a crash are there. */
export interface Logs {
  readonly log: Logger;
  /** A logger of one part; `part` is in each of its lines. */
  part(name: string): Logger;
  level(): LogLevel;
  /** Changes the level of every logger made here, while running. */
  setLevel(level: LogLevel): void;
}

export function createLogs({ program, level, destination }: LogOptions): Logs {
  const loggers = createLoggerSet();
  const log = pino(
    {
      level,
      base: { program, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: redacted,
      },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: withoutUrlPassword },
      onChild: (child) => loggers.add(child),
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
  redactChildBindings(log);
  loggers.add(log);

  return {
    log,
    part: (name) => log.child({ part: name }),
    level: () => log.level as LogLevel,
    setLevel(next) {
      for (const logger of loggers.alive()) logger.level = next;
    },
  };
}

/** pino has a formatter for the bindings of the root logger only; its children inherit this method. */
function redactChildBindings(log: Logger): void {
  const { child } = log;
  log.child = new Proxy(child, {
    apply: (target, logger, [bindings, options]) => Reflect.apply(target, logger, [redacted(bindings), options]),
  });
}

interface LoggerSet {
  add(logger: Logger): void;
  alive(): Logger[];
}

/** pino's children keep a level of their own. Servers make one per request, so they must not be kept from collection. */
function createLoggerSet(): LoggerSet {
  let references: WeakRef<Logger>[] = [];
  let sweepAt = 64;

  function alive(): Logger[] {
    const loggers = references.map((reference) => reference.deref()).filter((logger) => logger !== undefined);
    references = references.filter((reference) => reference.deref() !== undefined);
    return loggers;
  }
  return {
    alive,
    add(logger) {
      references.push(new WeakRef(logger));
      if (references.length >= sweepAt) sweepAt = Math.max(64, alive().length * 2);
    },
  };
}
