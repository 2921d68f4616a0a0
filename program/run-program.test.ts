import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "@jest/globals";

let child: ChildProcessWithoutNullStreams | undefined;
afterEach(() => void child?.kill("SIGKILL"));

function run(...flags: string[]) {
  const program = spawn(process.execPath, [join(import.meta.dirname, "testing/program.ts"), ...flags], {
    env: { ...process.env, HEAUTH_PASSWORD: "very-secret" },
  });
  child = program;
  const texts = { stdout: "", stderr: "" };
  const waiting: { stream: "stdout" | "stderr"; text: string; found: () => void }[] = [];
  for (const stream of ["stdout", "stderr"] as const) {
    program[stream].on("data", (chunk: Buffer) => {
      texts[stream] += chunk.toString();
      for (const one of waiting) if (texts[one.stream].includes(one.text)) one.found();
    });
  }
  const ended = once(program, "close").then(([code, signal]) => ({ code, signal, ...texts }));
  return {
    ended,
    kill: (signal: NodeJS.Signals) => program.kill(signal),
    async until(stream: "stdout" | "stderr", text: string): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ stream, text, found: resolve });
      if (texts[stream].includes(text)) resolve();
      await Promise.race([promise, ended]);
      expect(texts[stream]).toContain(text);
    },
  };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s stops the parts and ends well", async (signal) => {
  const program = run();
  await program.until("stdout", "ready");
  program.kill(signal);
  expect(await program.ended).toMatchObject({ code: 0, stdout: "ready\npart stopped\n" });
});

test("a part that cannot start ends the program with what it said", async () => {
  const { code, stdout, stderr } = await run("--behaviour", "does-not-start").ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("cannot start");
});

test.each([
  ["throws-later", 70, "uncaught"],
  ["rejects-later", 70, "unhandled"],
  ["fails-later", 74, "disk is gone"],
])("a part that %s is stopped, and the program ends with %d", async (behaviour, expected, said) => {
  const { code, stdout, stderr } = await run("--behaviour", behaviour).ended;
  expect(code).toBe(expected);
  expect(stdout).toContain("part stopped");
  expect(stderr).toContain(said);
});

test("a part that hangs does not keep the program from ending in time, with an error", async () => {
  const program = run("--behaviour", "hangs-at-stop", "--stop-within", "100ms");
  await program.until("stdout", "ready");
  program.kill("SIGTERM");
  const { code, stderr } = await program.ended;
  expect(code).toBe(1);
  expect(stderr).toContain("part was still stopping after the deadline");
});

test("a second signal ends it at once, but not the same one twice", async () => {
  const program = run("--behaviour", "hangs-at-stop", "--stop-within", "60s");
  await program.until("stdout", "ready");
  program.kill("SIGINT");
  program.kill("SIGINT");
  await program.until("stderr", "stopping");
  // The second wish must come later than an echo of the first would.
  await delay(700);
  program.kill("SIGINT");
  expect(await program.ended).toMatchObject({ code: 130, stderr: expect.stringContaining("ending at once") });
});

test("SIGUSR2 turns debug lines on and off", async () => {
  const program = run();
  await program.until("stdout", "ready");
  program.kill("SIGUSR2");
  await program.until("stderr", "heartbeat");
  program.kill("SIGTERM");
  await program.ended;
});

test("a wrong setting is one line and exit code 78", async () => {
  const { code, stdout, stderr } = await run("--probes", "nowhere").ended;
  expect([code, stdout]).toEqual([78, ""]);
  expect(stderr).toMatch(/^program: probes must be HOST:PORT .*example 127\.0\.0\.1:9464.*\n$/);
});

test("--print-config prints the effective configuration, secrets masked, and does not start", async () => {
  const { code, stdout } = await run("--print-config", "--behaviour", "does-not-start").ended;
  expect(code).toBe(0);
  expect(stdout).toContain('behaviour: "does-not-start" # flag\n');
  expect(stdout).toContain('password: "[redacted]" # environment\n');
});

test("--help names the flags, and no secret among them", async () => {
  const { code, stdout } = await run("--help").ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Usage: heauth program \[settings\]\n\nDoes what its setting says\.\n/);
  expect(stdout).not.toContain("Needed");
  expect(stdout).toMatch(/Default: 25s\.$/m);
  expect(stdout).toContain("--log-level debug\n");
  expect(stdout).not.toContain("--password");
});

test("probes and metrics are served while it runs", async () => {
  const program = run("--probes", "127.0.0.1:0", "--log-level", "info");
  await program.until("stderr", "probes at http://");
  program.kill("SIGTERM");
  const { stderr } = await program.ended;
  expect(stderr).toMatch(/probes at http:\/\/127\.0\.0\.1:[1-9]\d*/);
});
