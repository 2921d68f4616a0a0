import { z } from "zod";
import { type Config, readConfig } from "./config.ts";
import { asError, ProgramError } from "./errors.ts";
import { describeProgram, parseFlags } from "./flags.ts";
import { createHealth, type Health } from "./health.ts";
import { createLogs, type LogLevel, type Logs, logLevels } from "./logs.ts";
import { createMetrics, type Metrics } from "./measure.ts";
import type { Part } from "./part.ts";
import { printConfig } from "./print-config.ts";
import { createProbeServer } from "./probe-server.ts";
import { measureProcess } from "./process-metrics.ts";
import { type Fail, runProgram } from "./run-program.ts";
import { durationMs, hostPort, setting } from "./settings.ts";

/** sysexits.h: something is wrong with the configuration. */
const EX_CONFIG = 78;

/** The settings that every program has; spread them into its schema. */
export const commonSettings = {
  logLevel: setting(z.enum(logLevels).default("info"), {
    description:
      "How much to log (trace, debug, info, warn, error, fatal, silent); SIGUSR2 switches debug on and off while running.",
    example: "debug",
  }),
  probes: setting(hostPort().optional(), {
    description: "Where to serve /healthz, /readyz and /metrics; nowhere unless given.",
    example: "127.0.0.1:9464",
  }),
  stopWithin: setting(durationMs().prefault("25s"), {
    description: "How long a stop may take before what is left is ended by force.",
    example: "25s",
  }),
};

/** What a program's parts are made with. */
export interface ProgramContext<T> {
  config: T;
  logs: Logs;
  metrics: Metrics;
  health: Health;
  fail: Fail;
}

type CommonShape = typeof commonSettings & Record<string, z.ZodType>;

export interface MainOptions<S extends z.ZodObject<CommonShape>> {
  name: string;
  version: string;
  /** What it does, in a sentence or two, for its help text. */
  about: string;
  schema: S;
  compose: (context: ProgramContext<z.infer<S>>) => Part[] | Promise<Part[]>;
  onReady?: () => void | Promise<void>;
  /** `process.argv.slice(2)` unless given. */
  argv?: string[];
}

/** A whole program: its configuration from the command line, its logs, metrics, health and probes, its parts, its end. */
export async function main<S extends z.ZodObject<CommonShape>>(options: MainOptions<S>): Promise<void> {
  const { name, version, about, schema, compose, argv = process.argv.slice(2) } = options;
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(describeProgram(name, about, schema));
    return;
  }
  const config = configured(name, schema, argv);
  if (config === undefined) return;
  const values = config.values as z.infer<z.ZodObject<typeof commonSettings>>;
  const logs = createLogs({ program: name, level: values.logLevel });
  const metrics = createMetrics();
  const health = createHealth();
  measureProcess(metrics, { program: name, version });
  toggleDebugOnSignal(logs, values.logLevel);
  const probes =
    values.probes === undefined
      ? []
      : [createProbeServer({ listen: values.probes, health, metrics, log: logs.part("probes") })];

  await runProgram({
    name,
    log: logs.log,
    health,
    stopWithinMs: values.stopWithin,
    parts: async (fail) => [...probes, ...(await compose({ config: config.values, logs, metrics, health, fail }))],
    ...(options.onReady === undefined ? {} : { onReady: options.onReady }),
  });
}

/** The configuration; undefined when it was only to be printed. A wrong one ends the process with its one line. */
function configured<S extends z.ZodObject<CommonShape>>(
  name: string,
  schema: S,
  argv: string[],
): Config<z.infer<S>> | undefined {
  try {
    const line = parseFlags(schema, argv);
    const config = readConfig(schema, { flags: line.flags, file: line.file });
    if (!line.printConfig) return config;
    process.stdout.write(printConfig(schema, config));
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    process.stderr.write(`${name}: ${asError(error).message}; all settings: heauth ${name} --help\n`);
    process.exit(EX_CONFIG);
  }
  return undefined;
}

function toggleDebugOnSignal(logs: Logs, usual: LogLevel): void {
  process.on("SIGUSR2", () => {
    logs.setLevel(logs.level() === "debug" ? usual : "debug");
    logs.log.info({ logLevel: logs.level() }, "log level changed");
  });
}
