export { type Backoff, type BackoffOptions, createBackoff, pause, type RetryOptions, retry } from "./backoff.ts";
export { type Child, type ChildOptions, createChild } from "./child.ts";
export type { ChildCommand, Exit, LineListener, Run } from "./child-run.ts";
export { type Clock, elapsedMs, type Instant, instant, systemClock } from "./clock.ts";
export { type Config, type ConfigSources, flagOf, readConfig, type Source, variableOf } from "./config.ts";
export { unlessAborted, withDeadline } from "./deadline.ts";
export { asError, ProgramError, type ProgramErrorCode } from "./errors.ts";
export { fewAtATime } from "./few-at-a-time.ts";
export { type CommandLine, describeProgram, parseFlags } from "./flags.ts";
export { guarded } from "./guard.ts";
export { createHealth, type Health, type HealthCheck, type HealthReport } from "./health.ts";
export { inOrder } from "./lifecycle.ts";
export { createLogs, type Logger, type LogLevel, type LogOptions, type Logs, logLevels } from "./logs.ts";
export { commonSettings, type MainOptions, main, type ProgramContext } from "./main.ts";
export {
  type Counter,
  createMetrics,
  type Histogram,
  type Metrics,
  metricsContentType,
  type Reading,
} from "./measure.ts";
export { type Labels, type MetricName, type MetricSpec, metricList } from "./metrics.ts";
export {
  answer,
  answerProblem,
  createPageServer,
  type Page,
  type PageServer,
  type PageServerOptions,
} from "./page-server.ts";
export type { Part } from "./part.ts";
export { printConfig } from "./print-config.ts";
export { createProbeServer, type ProbeServerOptions } from "./probe-server.ts";
export { type Problem, type ProblemEntry, type ProblemOptions, problem, problemContentType } from "./problem.ts";
export { processIdentity } from "./process-identity.ts";
export { measureProcess } from "./process-metrics.ts";
export { isSecretName, MASK, redacted, serializeError, withoutUrlPassword } from "./redact.ts";
export { createRotatingFiles, type RotatingFiles, type RotatingFilesOptions } from "./rotating-files.ts";
export { type Fail, type ProgramOptions, runProgram } from "./run-program.ts";
export { createServerCertificate, type ServerCertificate } from "./server-certificate.ts";
export { durationMs, formatHostPort, type HostPort, hostPort, type SettingNotes, setting } from "./settings.ts";
export { sparingly } from "./sparingly.ts";
export { createUuidv7, isUuid, uuidv7 } from "./uuid.ts";
