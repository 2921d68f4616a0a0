import { spawn } from "node:child_process";
import { once } from "node:events";

/** An Envoy that runs. */
export interface EnvoyProcess {
  /** Ends it by force. */
  stop(): Promise<void>;
}

/**
 * @param program Envoy's own file
 * @param bootstrap its configuration's
 */
export function runEnvoy(program: string, bootstrap: string): EnvoyProcess {
  const flags = ["-c", bootstrap, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const envoy = spawn(program, flags, { stdio: "ignore" });
  return {
    async stop() {
      if (envoy.exitCode !== null || envoy.signalCode !== null) return;
      envoy.kill("SIGKILL");
      await once(envoy, "exit");
    },
  };
}
