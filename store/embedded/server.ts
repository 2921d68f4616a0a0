import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Account } from "./account.ts";
import { EmbeddedPostgresError } from "./errors.ts";
import { launch, STOP } from "./launch.ts";

/**
 * Starts the server and resolves when it takes connections.
 *
 * @throws EmbeddedPostgresError `StartFailed`, with the server's last words
 */
export async function startServer(options: {
  postgres: string;
  dataDir: string;
  settings: Record<string, string>;
  account: Account | undefined;
  log: (line: string) => void;
}): Promise<ChildProcess> {
  const settings = Object.entries(options.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = launch(options.postgres, [options.dataDir], (data = "") => ["-D", data, ...settings], options.account);
  const said: string[] = [];
  await new Promise<void>((ready, failed) => {
    const fail = (how: unknown) =>
      failed(new EmbeddedPostgresError("StartFailed", `PostgreSQL ended with ${how}: ${said.slice(-3).join(" ")}`));
    server.once("error", (error) => fail(error.message));
    server.once("close", (code, signal) => fail(code ?? signal));
    if (!server.stderr) return;
    createInterface({ input: server.stderr }).on("line", (line) => {
      options.log(line);
      said.push(line);
      if (said.length > 20) said.shift();
      if (line.includes("database system is ready to accept connections")) ready();
    });
  });
  return server;
}

/** Fast shutdown; an immediate one when that takes too long. */
export async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise<void>((done) => server.once("exit", () => done()));
  server.kill(STOP.signal);
  const impatient = setTimeout(() => server.kill("SIGQUIT"), STOP.withinMs);
  await gone;
  clearTimeout(impatient);
}
