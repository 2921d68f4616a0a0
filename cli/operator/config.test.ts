import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";

let folder: string;
const needed = () => [
  ...["--database", "postgresql://operator:s3cret@127.0.0.1:1/heauth", "--issuer", "https://id.test"],
  ...["--program-key", join(folder, "operator.json"), "--ledger-keys", join(folder, "ledger-keys.json")],
];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-operator-"));
  await heauth(["keys", "create", join(folder, "other")]);
  await heauth(["keys", "create", folder]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("shows what its configuration comes to, without the password", async () => {
  const { code, stdout } = await heauth(["operator", ...needed(), "--print-config"], { env: { HEAUTH_LEASE: "20s" } });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^database: "postgresql:\/\/operator:.*@127\.0\.0\.1:1\/heauth" # flag$/m);
  expect(stdout).not.toContain("s3cret");
  expect(stdout).toMatch(/^lease: 20000 # environment$/m);
  expect(stdout).toMatch(/^resync: 600000 # default$/m);
  expect(stdout).toMatch(/^anchorInterval: 30000 # default$/m);
  expect(stdout).toMatch(/^lostAfter: 60000 # default$/m);
});

test("tells of every setting", async () => {
  const { stdout } = await heauth(["operator", "--help"]);
  for (const flag of [
    "database",
    "hub-tls-secret",
    "hub-service",
    "program-key",
    "ledger-keys",
    "issuer",
    "kubeconfig",
    "namespace",
    "lease",
    "lost-after",
    "anchor-interval",
    "resync",
    "probes",
  ]) {
    expect(stdout).toContain(`\n  --${flag} `);
  }
});

test.each<[string, () => string[], number, RegExp]>([
  ["nothing", () => [], 78, /^operator: database is missing; for example postgresql:.*$/],
  ["a database of another make", () => ["--database", "mysql://db"], 78, /^operator: database must be a postgresql:/],
  [
    "no time between two looks at everything",
    () => [...needed(), "--resync", "0s"],
    78,
    /^operator: resync must be 1s to 24h.*$/,
  ],
  [
    "anchors that are written all the time",
    () => [...needed(), "--anchor-interval", "10ms"],
    78,
    /^operator: anchorInterval must be 1s to 1h.*$/,
  ],
  [
    "anchors that are never written",
    () => [...needed(), "--anchor-interval", "2h"],
    78,
    /^operator: anchorInterval must be 1s to 1h.*$/,
  ],
  [
    "the hub's certificate where its authority's key is",
    () => [...needed(), "--hub-tls-secret", "heauth-hub-ca"],
    78,
    /^operator: hubTlsSecret must be another one than heauth-hub-ca.*$/,
  ],
])("with %s it does not start, and says why in one line", async (_, args, expected, why) => {
  const { code, stdout, stderr } = await heauth(["operator", ...args()]);
  expect({ code, stdout }).toEqual({ code: expected, stdout: "" });
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr.trim()).toMatch(why);
});

test.each<[string, Record<string, string>, RegExp]>([
  ["outside a cluster without a kubeconfig", {}, /kubeconfig|cluster/],
  [
    "with another program's key",
    { HEAUTH_PROGRAM_KEY: "hub.json" },
    /hub\.json: the key is not of the program operator/,
  ],
  ["with a key that is not pinned", { HEAUTH_LEDGER_KEYS: "other/ledger-keys.json" }, /does not have the key of/],
])("%s it does not start, and says why", async (_, files, why) => {
  const env = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(folder, file)]));
  const flags = needed().filter((flag, at, all) => {
    const name = flag.startsWith("--") ? flag : (all[at - 1] ?? "");
    return !Object.hasOwn(env, `HEAUTH_${name.slice(2).replaceAll("-", "_").toUpperCase()}`);
  });
  const { code, stderr } = await heauth(["operator", ...flags], { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(why);
  expect(stderr).not.toContain("s3cret");
});
