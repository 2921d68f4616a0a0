// What is in force while the resources' files change under a running standalone.
import { rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { runHeauth } from "../examples/clinic/tour/standalone.ts";
import { eventually } from "./faults/eventually.ts";
import { ask, startLoad, tally } from "./faults/load.ts";
import type { Login } from "./standalone/people.ts";
import { policySpec, type Spec } from "./standalone/resources.ts";
import { type Rig, startRig } from "./standalone/rig.ts";

/** From the file's change to the decision by it: promised within a second or two. */
const IN_FORCE_WITHIN_MS = 2_000;
const FILE = "policy-clinic-web.yaml";

/** Two busy cores: what is awaited comes at its own time, and what is promised is asserted. */
jest.setTimeout(120_000);

let rig: Rig;
let session: Login;

beforeAll(async () => {
  rig = await startRig();
  session = await rig.people.logIn(await rig.people.create({ login: "ada", roles: ["doctor"] }));
}, 60_000);
afterAll(() => rig?.stop(), 60_000);

const read = () => ask(undefined, rig.app(), { path: "/patients/1", token: session.accessToken });

/** At once, as whoever deploys would: a file that is emptied and then written may be read in between. */
async function put(text: string): Promise<void> {
  const hidden = join(rig.resources, `.${FILE}`);
  await writeFile(hidden, text);
  await rename(hidden, join(rig.resources, FILE));
}

async function write(spec: Spec): Promise<void> {
  const metadata = { namespace: "clinic", name: "web" };
  const policy = { apiVersion: "heauth.io/v1alpha1", kind: "AuthPolicy", metadata, spec };
  await put(JSON.stringify(policy, null, 2));
}

/** Rules by which reading is for `role` only. */
function forRole(role: string): Spec {
  const match = [{ path: { type: "PathPrefix", value: "/patients" } }];
  return policySpec("acme", { rules: [{ name: "patients", match, access: "Roles", roles: [role] }] });
}

/** The log's messages since it had `from` lines, each after the resource that it is about, where it names one. */
const said = (from: number) =>
  rig
    .standalone()
    .log.slice(from)
    .map((line) => JSON.parse(line))
    .map(({ resource = "", msg }) => `${resource} ${msg}`);

async function expectStatus(status: number): Promise<void> {
  const startedAt = performance.now();
  expect(await eventually(read, (answer) => answer.status === status)).toMatchObject({ status });
  const ms = performance.now() - startedAt;
  console.log(`${status} after ${Math.round(ms)} ms`);
  expect(ms).toBeLessThan(IN_FORCE_WITHIN_MS);
}

test("a change is in force within 2 s, and costs nobody a request", async () => {
  const load = startLoad({
    url: rig.app(),
    connections: 4,
    restMs: 5,
    next: () => ({ path: "/patients/1", token: session.accessToken }),
  });
  await load.until(({ status }) => status === 200);
  await write(forRole("nurse"));
  await expectStatus(403);
  await write(forRole("doctor"));
  await expectStatus(200);
  const outcomes = await load.stop();
  expect(Object.keys(tally(outcomes))).toEqual(["200", "403"]);
});

const wrong: readonly [what: string, spec: Spec, line: RegExp][] = [
  [
    "a value that there is not",
    { ...forRole("nurse"), defaultAction: "Allow" },
    /policy-clinic-web\.yaml:\d+: spec\.defaultAction: "Allow" .*Deny.*Authenticated/,
  ],
  [
    "a field that there is not",
    { ...forRole("nurse"), fallback: "Deny" },
    /policy-clinic-web\.yaml:\d+: spec\.fallback: /,
  ],
  [
    "what only pods can have",
    { ...forRole("nurse"), passthroughPorts: [9090] },
    /policy-clinic-web\.yaml:\d+: spec\.passthroughPorts: .*an empty list/,
  ],
  [
    "more than the tenant's limits allow",
    { ...forRole("nurse"), authentication: { maxStaleness: "5m" } },
    /clinic\/web spec\.authentication\.maxStaleness: "5m" .*60s/,
  ],
];

test.each(wrong)("%s: the last good policy stays, and the log says where and what", async (_what, spec, line) => {
  const from = rig.standalone().log.length;
  await write(spec);
  const found = await eventually(
    () => said(from),
    (lines) => lines.some((one) => line.test(one)),
  );
  expect(found).toContainEqual(expect.stringMatching(line));
  expect(await read()).toMatchObject({ status: 200 });
});

test("text that is no YAML: the last good policy stays", async () => {
  const from = rig.standalone().log.length;
  await put("spec: [");
  const found = await eventually(
    () => said(from),
    (lines) => lines.some((one) => one.includes(FILE)),
  );
  expect(found).toContainEqual(expect.stringContaining(FILE));
  expect(await read()).toMatchObject({ status: 200 });
});

test("a policy that is deleted shuts its app, and a new one opens it again", async () => {
  await write(forRole("doctor"));
  await expectStatus(200);
  await rm(join(rig.resources, FILE));
  await expectStatus(503);
  expect(await read()).toMatchObject({ code: "Unavailable", retryAfter: expect.any(String) });
  await write(forRole("doctor"));
  await expectStatus(200);
});

test("a listener's port that is taken ends the start in one line that names it", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address() as { port: number };
  try {
    const flags = ["--resources", rig.resources, "--data", `${rig.data}-other`, "--identity", "127.0.0.1:0"];
    const protect = `clinic/web=127.0.0.1:${address.port},http://127.0.0.1:9`;
    const { code, output } = await runHeauth(["standalone", ...flags, "--protect", protect]);
    expect(code).toBe(1);
    const fatal = output.split("\n").filter((line) => line.includes('"fatal"'));
    expect(fatal.map((line) => JSON.parse(line).msg)).toEqual([expect.stringContaining(`127.0.0.1:${address.port}`)]);
  } finally {
    await new Promise((resolve) => taken.close(resolve));
    await rm(`${rig.data}-other`, { recursive: true, force: true });
  }
});
