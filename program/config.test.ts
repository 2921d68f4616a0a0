import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { type ConfigSources, readConfig } from "./config.ts";
import { parseFlags } from "./flags.ts";
import { printConfig } from "./print-config.ts";
import { durationMs, formatHostPort, hostPort, setting } from "./settings.ts";

const schema = z.object({
  listen: setting(hostPort().prefault("127.0.0.1:8080"), { description: "Where to listen", example: "127.0.0.1:8080" }),
  workers: setting(z.int().min(1).max(64).default(2), { description: "Workers", example: "4" }),
  verbose: setting(z.boolean().default(false), { description: "Say more", example: "true" }),
  protect: setting(z.array(z.string().min(3)).default([]), { description: "Apps", example: "shop/web" }),
  idleTimeout: setting(durationMs().prefault("30s"), { description: "Idle", example: "30s" }),
  database: setting(z.url().optional(), { description: "Database", example: "postgres://db/heauth", holds: "url" }),
  signingKey: setting(z.string().min(8).optional(), { description: "Key", example: "a-long-key", holds: "secret" }),
  tenant: setting(z.string(), { description: "Tenant", example: "acme" }),
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heauth-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string, name = "config.yaml"): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const read = (sources: ConfigSources) =>
  readConfig(schema, { environment: {}, ...sources, flags: { tenant: "acme", ...sources.flags } });

describe("where a value comes from", () => {
  test("flags win over the environment, that over the file, that over the defaults", () => {
    const { values, sources } = read({
      flags: { workers: "3" },
      environment: { HEAUTH_WORKERS: "4", HEAUTH_IDLE_TIMEOUT: "1m30s" },
      file: file("workers: 5\nidleTimeout: 2h\nlisten: '[::1]:99'\n"),
    });
    expect(values).toMatchObject({
      workers: 3,
      idleTimeout: 90_000,
      listen: { host: "::1", port: 99 },
      verbose: false,
    });
    expect(sources).toMatchObject({ workers: "flag", idleTimeout: "environment", listen: "file", verbose: "default" });
  });

  test("texts become what the setting is", () => {
    const environment = { HEAUTH_VERBOSE: "true", HEAUTH_WORKERS: "8", HEAUTH_PROTECT: "shop/web=a,b  shop/api" };
    expect(read({ environment }).values).toMatchObject({
      verbose: true,
      workers: 8,
      protect: ["shop/web=a,b", "shop/api"],
    });
    expect(read({ flags: { protect: "shop/web=a,b" } }).values.protect).toEqual(["shop/web=a,b"]);
  });

  test("JSON is as good as YAML, and an empty file is no settings", () => {
    expect(read({ file: file('{"workers": 7}', "config.json") }).values.workers).toBe(7);
    expect(read({ file: file("# nothing\n") }).values.workers).toBe(2);
  });

  test("a secret may stand in a file of its own", () => {
    const environment = { HEAUTH_SIGNING_KEY_FILE: file("from-a-file\n", "key") };
    expect(read({ environment }).values.signingKey).toBe("from-a-file");
  });
});

describe("a wrong value is one line with the key, the problem, an example, and not the value", () => {
  const wrong: [string, ConfigSources, RegExp][] = [
    [
      "not a number",
      { environment: { HEAUTH_WORKERS: "manyXYZ" } },
      /^workers .*number.*environment.*example 4 .*HEAUTH_WORKERS/,
    ],
    ["too large", { flags: { workers: "65" } }, /^workers .*64.*flag.*example 4 \(--workers/],
    ["not a port", { flags: { listen: "XYZ:70000" } }, /^listen must be HOST:PORT .*example 127\.0\.0\.1:8080/],
    ["not a duration", { flags: { idleTimeout: "30 XYZ" } }, /^idleTimeout must be a duration .*example 30s/],
    ["not true or false", { flags: { verbose: "XYZ" } }, /^verbose .*boolean.*example true/],
    ["an entry too short", { flags: { protect: ["shop/web", "XY"] } }, /^protect entry 1: .*3 characters/],
    ["not a URL", { environment: { HEAUTH_DATABASE: "XYZ" } }, /^database Invalid URL/],
    [
      "a short secret",
      { environment: { HEAUTH_SIGNING_KEY: "XYZ" } },
      /^signingKey .*8 characters.*HEAUTH_SIGNING_KEY/,
    ],
    [
      "a secret as a flag",
      { flags: { signingKey: "XYZXYZXYZ" } },
      /^signingKey cannot be a flag.*HEAUTH_SIGNING_KEY_FILE/,
    ],
    [
      "a secret's file that is not there",
      { environment: { HEAUTH_SIGNING_KEY_FILE: "/none" } },
      /^HEAUTH_SIGNING_KEY_FILE: ENOENT/,
    ],
    [
      "no value at all",
      { flags: { tenant: undefined } },
      /^tenant is missing; for example acme \(--tenant, HEAUTH_TENANT\)/,
    ],
  ];
  test.each(wrong)("%s", (_what, sources, message) => {
    expect(() => read(sources)).toThrow(
      expect.objectContaining({ code: "InvalidConfig", message: expect.stringMatching(message) }),
    );
    expect(() => read(sources)).not.toThrow(/XYZ|\n/);
  });

  test.each([
    ["an unknown setting", "wrokers: 3\n", /^wrokers in .*no such setting/],
    ["not YAML", "a: [b\n", /^configuration file .*config\.yaml: /],
    ["not a map", "- a\n", /must be a map/],
  ])("a file with %s", (_what, content, message) => {
    const path = file(content);
    expect(() => read({ file: path })).toThrow(message);
    expect(() => read({ file: path })).not.toThrow(/\n/);
  });

  test("a file that is not there", () => {
    expect(() => read({ file: join(folder, "none.yaml") })).toThrow(/none\.yaml.*ENOENT/);
  });
});

describe("the command line", () => {
  test("has a flag for each setting, once for each item of a list", () => {
    const line = parseFlags(schema, ["--workers=3", "--protect", "a/b", "--protect", "c/d", "--config", "x.yaml"]);
    expect(line).toEqual({ flags: { workers: "3", protect: ["a/b", "c/d"] }, file: "x.yaml", printConfig: false });
  });

  test("refuses a second value of what is no list", () => {
    const { flags } = parseFlags(schema, ["--workers", "3", "--workers", "4"]);
    expect(() => read({ flags })).toThrow("workers is given twice (--workers)");
  });

  test.each([[["--nonsense", "1"]], [["word"]], [["--workers"]]])("refuses %j in one line", (argv) => {
    expect(() => parseFlags(schema, argv)).toThrow(expect.objectContaining({ code: "InvalidConfig" }));
    expect(() => parseFlags(schema, argv)).not.toThrow(/\n/);
  });
});

test("printing shows every setting with its origin, without secrets and passwords", () => {
  const environment = { HEAUTH_SIGNING_KEY: "very-secret", HEAUTH_DATABASE: "postgres://user:very-secret@db/heauth" };
  const text = printConfig(schema, read({ flags: { workers: "3" }, environment }));
  expect(text).toContain("workers: 3 # flag\n");
  expect(text).toContain('listen: {"host":"127.0.0.1","port":8080} # default\n');
  expect(text).toContain('database: "postgres://user:[redacted]@db/heauth" # environment\n');
  expect(text).toContain('signingKey: "[redacted]" # environment\n');
  expect(text).not.toContain("very-secret");
});

test("a schema with a property that is no setting is a mistake in the program", () => {
  expect(() => readConfig(z.object({ bare: z.string() }), { environment: {} })).toThrow(TypeError);
});

test("every address is one of the two", () => {
  const { host, port } = hostPort().parse("*:80");
  expect(["::", "0.0.0.0"]).toContain(host);
  expect(port).toBe(80);
  expect(hostPort().safeParse("*.example.org:80").success).toBe(false);
});

test("addresses are written as they are read", () => {
  for (const text of ["127.0.0.1:80", "[::1]:0", "localhost:65535"])
    expect(formatHostPort(hostPort().parse(text))).toBe(text);
});
