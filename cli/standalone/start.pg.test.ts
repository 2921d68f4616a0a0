import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@heauth/store";
import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { heauth, logged } from "../testing/heauth.ts";

let db: TestDatabase;
let folder: string;
beforeAll(async () => {
  db = await testDatabase({ migrated: false });
});
afterAll(() => db?.drop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-start-"));
  await mkdir(join(folder, "resources"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const POLICY = `
apiVersion: heauth.io/v1alpha1
kind: AuthPolicy
metadata: {name: web, namespace: shop}
spec:
  tenantRef: {name: acme}
  selector: {matchLabels: {app: web}}
  ports: [{port: 8080, protocol: HTTP}]
  authentication: {audiences: [shop]}
  rules:
  - {name: all, match: [{path: {type: PathPrefix, value: /}}], access: Authentikated}
`;

/** Starts it with what makes it end by itself. */
async function start(flags: Record<string, string>, stopAt?: string) {
  const all = {
    resources: join(folder, "resources"),
    data: join(folder, "data"),
    identity: "127.0.0.1:0",
    database: db.url,
    ...flags,
  };
  const args = ["standalone", ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])];
  const outcome = await heauth(args, stopAt === undefined ? {} : { stopAt });
  const fatal = logged(outcome).find(({ level }) => level === "fatal");
  return { ...outcome, why: String(fatal?.["msg"]) };
}

const protect = "shop/web=127.0.0.1:0,http://127.0.0.1:9";

test("a policy to protect by that is not there ends the start at once, and says where it was looked for", async () => {
  const { code, stdout, why } = await start({ protect });
  expect([code, stdout]).toEqual([1, ""]);
  expect(why).toBe(
    `standalone did not start: --protect shop/web: ${join(folder, "resources")} holds no such AuthPolicy`,
  );
});

test("one that was never good does so too, with what is wrong with it", async () => {
  await writeFile(join(folder, "resources/policy.yaml"), POLICY);
  const { code, why } = await start({ protect });
  expect(code).toBe(1);
  expect(why).toMatch(
    /^standalone did not start: --protect shop\/web: policy\.yaml:11: spec\.rules\[0\]\.access: "Authentikated" /,
  );
});

test("a port that is taken is named", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as { port: number };
  const { code, why } = await start({ identity: `127.0.0.1:${port}` });
  taken.close();
  expect(code).toBe(1);
  expect(why).toContain(`127.0.0.1:${port}`);
});

test("a resources' folder that is not there is named, and nothing is left behind but the data folder", async () => {
  const { code, why } = await start({ resources: join(folder, "none") });
  expect(code).toBe(1);
  expect(why).toContain(`the folder ${join(folder, "none")} can't be read`);
  expect((await readdir(folder)).sort()).toEqual(["data", "resources"]);
});

test("a broken key file is named", async () => {
  await mkdir(join(folder, "data/keys"), { recursive: true });
  await writeFile(join(folder, "data/keys/hub.json"), "{");
  const { code, why } = await start({});
  expect(code).toBe(1);
  expect(why).toBe(`standalone did not start: ${join(folder, "data/keys/hub.json")}: the key file is not JSON`);
});

test("told to stop while what is in the database can't be reconciled yet, it stops at once", async () => {
  await migrate(db.url);
  await db.superuser.query("REVOKE SELECT ON policy FROM heauth_operator");
  const begun = performance.now();
  const outcome = await start({ "stop-within": "60s" }, "waits until the operator has reconciled everything once");
  await db.superuser.query("GRANT SELECT ON policy TO heauth_operator");
  expect(outcome).toMatchObject({ code: 0, stdout: "" });
  expect(logged(outcome).filter(({ level }) => level === "error")).toEqual([]);
  expect(performance.now() - begun).toBeLessThan(30_000);
});
