/** A reason why not, or nothing when all is well. */
export type HealthCheck = () => string | undefined;

export interface HealthReport {
  ok: boolean;
  /** By the name of the check: why not. */
  problems: Record<string, string>;
}

/**
 * Whether the program lives and whether it is ready. Live looks only at the program itself (a failure asks for a restart);
 * ready says whether to send it work.
 */
export interface Health {
  addLive(name: string, check: HealthCheck): void;
  addReady(name: string, check: HealthCheck): void;
  live(): HealthReport;
  ready(): HealthReport;
  /** From now on not ready: the program is ending. */
  drain(): void;
}

export function createHealth(): Health {
  const liveChecks = new Map<string, HealthCheck>();
  const readyChecks = new Map<string, HealthCheck>();

  return {
    addLive: (name, check) => void liveChecks.set(name, check),
    addReady: (name, check) => void readyChecks.set(name, check),
    live: () => report(liveChecks),
    ready: () => report(readyChecks),
    drain: () => void readyChecks.set("program", () => "draining"),
  };
}

function report(checks: Map<string, HealthCheck>): HealthReport {
  const problems: Record<string, string> = {};
  for (const [name, check] of checks) {
    const reason = outcome(check);
    if (reason !== undefined) problems[name] = reason;
  }
  return { ok: Object.keys(problems).length === 0, problems };
}

/** A check that throws is a reason why not. */
function outcome(check: HealthCheck): string | undefined {
  try {
    return check();
  } catch {
    return "check failed";
  }
}
