import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { describeSourceProblem } from "./describe.ts";
import { FolderSource } from "./folder-source.ts";
import { keyText, parseKey } from "./source.ts";

const tenant = (idle: string) => `apiVersion: heauth.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec: {audiences: [shop], sessions: {idleTimeout: ${idle}}}
`;
const policy = `apiVersion: heauth.io/v1alpha1
kind: AuthPolicy
metadata: {name: web, namespace: shop}
spec:
  tenantRef: {name: acme}
  selector: {matchLabels: {app: web}}
  ports: [{port: 8080, protocol: HTTP}]
`;
const secret = (label: string, value: string) => `apiVersion: v1
kind: Secret
metadata: {name: hook, labels: {heauth.io/tenant: ${label}}}
data: {key: ${Buffer.from(value).toString("base64")}}
`;

let folder: string;
let source: FolderSource;
let told: string[];
let problems: string[];
let wake: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-source-"));
  told = [];
  problems = [];
  wake = () => undefined;
  source = new FolderSource({
    folder,
    quietMs: 20,
    onProblems: (found) => {
      problems = found.map(describeSourceProblem);
      wake();
    },
    onError: (error) => {
      problems = [String(error)];
      wake();
    },
  });
  source.onChange((key) => {
    told.push(keyText(key));
    wake();
  });
});

afterEach(async () => {
  await source.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Resolves when the condition holds after something was told. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

const writeInPlace = (name: string, text: string) => writeFile(join(folder, name), text);
/** Whoever reads it meanwhile sees the former one or this one, never half of it. */
const write = async (name: string, text: string) => {
  await writeInPlace(`${name}.new`, text);
  await rename(join(folder, `${name}.new`), join(folder, name));
};
const idle = () => source.get("Tenant", "", "acme")?.inForce?.spec.sessions.idleTimeout;

test("start reads everything and tells of it", async () => {
  await write("tenant.yaml", tenant("10m"));
  await mkdir(join(folder, "apps"));
  await write("apps/web.yml", policy);
  await write(".hidden.yaml", "not: [yaml");
  await write("notes.txt", "nothing");
  await source.start();
  expect(told.sort()).toEqual(["AuthPolicy/shop/web", "Tenant//acme"]);
  expect(source.list("AuthPolicy")).toEqual([{ kind: "AuthPolicy", namespace: "shop", name: "web" }]);
  expect(source.get("AuthPolicy", "shop", "web")?.inForce?.spec.mode).toBe("Enforce");
  expect(source.get("AuthPolicy", "other", "web")).toBeUndefined();
  expect(source.problems).toEqual([]);
});

test("a change, a mistake, its correction and a removal are seen", async () => {
  await write("tenant.yaml", tenant("10m"));
  await source.start();

  await writeInPlace("tenant.yaml", tenant("20m"));
  await until(() => idle() === "20m");

  await write("tenant.yaml", tenant("soon"));
  await until(() => problems.length === 1);
  expect(problems[0]).toMatch(/^tenant\.yaml:4: spec\.sessions\.idleTimeout: "soon" \(Invalid\) expected/);
  expect(idle()).toBe("20m");
  expect(source.get("Tenant", "", "acme")?.problems).toHaveLength(1);

  await write("tenant.yaml", tenant("25m"));
  await until(() => idle() === "25m");
  expect(problems).toEqual([]);

  told = [];
  await rm(join(folder, "tenant.yaml"));
  await until(() => told.includes("Tenant//acme"));
  expect(source.get("Tenant", "", "acme")).toBeUndefined();
});

test("a file replaced by renaming, as editors do, and a new folder are seen", async () => {
  await write("tenant.yaml", tenant("10m"));
  await source.start();
  await write("tenant.yaml", tenant("15m"));
  await until(() => idle() === "15m");
  await mkdir(join(folder, "more"));
  await write("more/web.yaml", policy);
  await until(() => source.get("AuthPolicy", "shop", "web") !== undefined);
});

test("nothing is told of what did not change", async () => {
  await write("tenant.yaml", tenant("10m"));
  await source.start();
  told = [];
  await write("tenant.yaml", `# only a comment\n${tenant("10m")}`);
  await write("web.yaml", policy);
  await until(() => told.includes("AuthPolicy/shop/web"));
  expect(told).toEqual(["AuthPolicy/shop/web"]);
});

test("a Secret is read only for the tenant whose label it carries", async () => {
  await write("secret.yaml", secret("acme", "first"));
  await source.start();
  const value = () => source.secret("acme", { name: "hook", key: "key" });
  expect(value()).toEqual({ ok: true, value: Buffer.from("first") });
  expect(source.secret("globex", { name: "hook", key: "key" })).toEqual({ ok: false, reason: "NotForTenant" });
  expect(source.secret("acme", { name: "hook", key: "other" })).toEqual({ ok: false, reason: "NoSuchKey" });
  expect(source.secret("acme", { name: "other", key: "key" })).toEqual({ ok: false, reason: "NotFound" });
  expect(told).toEqual(["Tenant//acme"]);

  told = [];
  await write("secret.yaml", secret("globex", "second"));
  await until(() => told.length === 2);
  expect(told.sort()).toEqual(["Tenant//acme", "Tenant//globex"]);
  expect(value()).toEqual({ ok: false, reason: "NotForTenant" });
});

test("a Namespace gives its labels, and its policies are told of when those change", async () => {
  await write("web.yaml", policy);
  await write("tenant.yaml", tenant("10m"));
  const namespace = (team: string) =>
    `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: ${team}}}}`;
  await write("shop.yaml", namespace("acme"));
  await source.start();
  expect(source.namespaceLabels("shop")).toEqual({ team: "acme" });
  expect(source.namespaceLabels("other")).toBeUndefined();

  told = [];
  await write("shop.yaml", namespace("globex"));
  await until(() => told.length > 0);
  expect(told).toEqual(["AuthPolicy/shop/web"]);
  expect(source.namespaceLabels("shop")).toEqual({ team: "globex" });
});

test("annotations are handed out as they are written, also where the resource is not valid", async () => {
  const annotated = (idle: string) => tenant(idle).replace("{name: acme}", "{name: acme, annotations: {a: b, c: 1}}");
  await write("tenant.yaml", annotated("10m").replace(", c: 1", ""));
  await source.start();
  const meta = () => source.get("Tenant", "", "acme")?.meta;
  expect(meta()).toEqual({ deleting: false, annotations: { a: "b" }, finalizers: [] });
  await write("tenant.yaml", annotated("soon").replace("a: b", "a: d"));
  await until(() => problems.length > 0);
  expect(meta()?.annotations).toEqual({ a: "d" });
});

test("a folder that is not there stops the start", async () => {
  await rm(folder, { recursive: true });
  await expect(source.start()).rejects.toMatchObject({ code: "FolderUnreadable" });
});

test("a listener that has ended hears no more", async () => {
  let heard = 0;
  source.onChange(() => heard++)();
  await write("tenant.yaml", tenant("10m"));
  await source.start();
  expect(heard).toBe(0);
});

test("keys are read back as they were written", () => {
  for (const text of ["Tenant//acme", "AuthPolicy/shop/web"]) expect(keyText(parseKey(text))).toBe(text);
  for (const text of ["Pod/a/b", "Tenant", "Tenant//", "Tenant//a/b", ""])
    expect(() => parseKey(text)).toThrow(RangeError);
});
