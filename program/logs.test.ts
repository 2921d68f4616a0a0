import { expect, test } from "@jest/globals";
import { createLogs, type LogLevel, type Logs } from "./logs.ts";

interface Captured extends Logs {
  lines(): Record<string, unknown>[];
  text(): string;
}

function capture(level: LogLevel = "info"): Captured {
  const written: string[] = [];
  const logs = createLogs({ program: "test", level, destination: { write: (line) => void written.push(line) } });
  return { ...logs, lines: () => written.map((line) => JSON.parse(line)), text: () => written.join("") };
}

test("a line is JSON with time, level, program, part and message", () => {
  const logs = capture();
  logs.part("hub").warn({ streams: 3 }, "busy");
  expect(logs.lines()).toEqual([
    expect.objectContaining({ level: "warn", program: "test", part: "hub", streams: 3, msg: "busy" }),
  ]);
  expect(Date.parse(String(logs.lines()[0]?.["time"]))).toBeGreaterThan(0);
});

test("the level can be changed while running, also for the loggers of parts", () => {
  const logs = capture("info");
  const part = logs.part("hub");
  const ofRequest = part.child({ request: "1" });
  part.debug("unheard");
  logs.setLevel("debug");
  part.debug("heard");
  ofRequest.debug("heard");
  logs.part("later").debug("heard");
  logs.setLevel("error");
  part.warn("unheard");
  expect(logs.lines().map(({ msg }) => msg)).toEqual(["heard", "heard", "heard"]);
  expect(logs.level()).toBe("error");
});

test.each([
  { token: "hush" },
  { accessToken: "hush" },
  { refresh_token: "hush" },
  { password: "hush" },
  { key: "hush" },
  { signingKey: "hush" },
  { private_key: { d: "hush" } },
  { clientSecret: "hush" },
  { headers: { Authorization: "Bearer hush", cookie: "a=hush", "x-api-key": "hush" } },
  { list: [{ nested: { deeper: { credentials: "hush" } } }] },
  { url: "postgres://user:hush@db/heauth" },
  { body: Buffer.from("hush") },
  { err: Object.assign(new Error("no login to postgres://user:hush@db/x"), { config: { x: "hush" }, detail: "hush" }) },
  { err: new Error("outer", { cause: new Error("inner postgres://user:hush@db/x") }) },
])("%j is not written with its secret", (fields) => {
  const logs = capture();
  logs.log.info(fields, "said");
  logs.log.child(fields).info("said");
  logs.log.info("postgres://user:hush@db/heauth");
  expect(logs.lines()).toHaveLength(3);
  expect(logs.text()).not.toContain("hush");
});

test("public keys, counts and an error's code and cause are written", () => {
  const logs = capture();
  const err = Object.assign(new Error("outer", { cause: new Error("inner") }), { code: "ECONNREFUSED" });
  logs.log.info({ publicKey: "abc", monkeys: 3, err }, "said");
  expect(logs.lines()[0]).toMatchObject({
    publicKey: "abc",
    monkeys: 3,
    err: { type: "Error", message: "outer", code: "ECONNREFUSED", cause: { message: "inner" } },
  });
});

test("a structure that contains itself does not break the line", () => {
  const logs = capture();
  const round: Record<string, unknown> = {};
  round["self"] = round;
  logs.log.info({ round }, "said");
  expect(logs.lines()[0]).toMatchObject({ msg: "said" });
});
