import { expect, test } from "@jest/globals";
import { describeSourceProblem } from "./describe.ts";
import { emptySnapshot, type FileContent, type Snapshot, takeSnapshot } from "./snapshot.ts";

const tenant = (idle = "30m", name = "acme") => `apiVersion: heauth.io/v1alpha1
kind: Tenant
metadata: {name: ${name}}
spec:
  audiences: [shop]
  sessions:
    idleTimeout: ${idle}
`;

const policy = (name = "web", tenantName = "acme") => `apiVersion: heauth.io/v1alpha1
kind: AuthPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  tenantRef: {name: ${tenantName}}
  selector: {matchLabels: {app: web}}
  ports: [{port: 8080, protocol: HTTP}]
`;

const secret = (value: string, label = "acme") => `apiVersion: v1
kind: Secret
metadata: {name: hook, labels: {heauth.io/tenant: ${label}}}
stringData: {key: ${value}}
`;

function take(files: Record<string, string | FileContent>, previous: Snapshot = emptySnapshot): Snapshot {
  const contents = Object.entries(files).map(
    ([path, content]) => [path, typeof content === "string" ? { text: content } : content] as const,
  );
  return takeSnapshot(new Map(contents), previous);
}

const said = ({ problems }: Snapshot) => problems.map(describeSourceProblem);
const idleOf = (snapshot: Snapshot) => {
  const resource = snapshot.entries.get("Tenant//acme")?.inForce;
  return resource !== undefined && "kind" in resource && resource.kind === "Tenant"
    ? resource.spec.sessions.idleTimeout
    : undefined;
};

test("several documents in several files", () => {
  const snapshot = take({
    "a.yaml": `${tenant()}---\n${policy()}---\n`,
    "b/c.yml": `# nothing\n---\n${secret("s3cret")}`,
  });
  expect(said(snapshot)).toEqual([]);
  expect([...snapshot.entries.keys()]).toEqual(["Tenant//acme", "AuthPolicy/shop/web", "Secret//hook"]);
});

test("a problem names file, line, field, value and what is expected", () => {
  expect(said(take({ "acme.yaml": `# a comment\n---\n${tenant("13h")}` }))).toEqual([
    'acme.yaml:9: spec.sessions.idleTimeout: "13h" (Invalid) expected at least 1m and at most absoluteTimeout',
  ]);
});

test("what is missing is located where it should stand", () => {
  const text = policy().replace("  tenantRef: {name: acme}\n", "");
  expect(said(take({ "p.yaml": text }))).toEqual(["p.yaml:5: spec.tenantRef: (Required) expected an object"]);
});

test("an invalid change keeps the last good version in force, a good one ends it", () => {
  const good = take({ "a.yaml": tenant("10m") });
  const bad = take({ "a.yaml": tenant("ten minutes") }, good);
  expect(idleOf(bad)).toBe("10m");
  expect(bad.entries.get("Tenant//acme")?.problems).toHaveLength(1);
  const still = take({ "a.yaml": tenant("11") }, bad);
  expect(idleOf(still)).toBe("10m");
  const better = take({ "a.yaml": tenant("20m") }, still);
  expect(idleOf(better)).toBe("20m");
  expect(better.problems).toEqual([]);
});

test("what never was valid is not in force", () => {
  const snapshot = take({ "a.yaml": tenant("x") });
  expect(snapshot.entries.get("Tenant//acme")).toMatchObject({ inForce: undefined, problems: [{ code: "Invalid" }] });
});

test.each<[string, string | FileContent]>([
  ["is not YAML", "spec: [1, 2"],
  ["has a key twice", `${tenant()}kind: Tenant\n`],
  ["can't be read", { unreadable: "a file that can be read (EACCES)" }],
  ["no longer says what it is", tenant().replace("kind: Tenant", "kind: Tennant")],
  ["has lost its name", tenant().replace("name: acme", "")],
  ["is a list", "- 1\n- 2\n"],
  ["is empty", ""],
  ["is blank", " \n\n"],
  ["is too large", `#${"x".repeat(1_048_576)}\n${tenant("20m")}`],
  [
    "is a bomb of aliases",
    `a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n`,
  ],
  ["has an unknown tag", `!!js/function 'x'\n`],
])("a file that %s takes nothing away", (_, content) => {
  const good = take({ "a.yaml": tenant("10m"), "b.yaml": policy() });
  const snapshot = take({ "a.yaml": content, "b.yaml": policy() }, good);
  expect(idleOf(snapshot)).toBe("10m");
  expect(snapshot.entries.get("Tenant//acme")?.problems).not.toEqual([]);
  expect(snapshot.entries.get("AuthPolicy/shop/web")?.problems).toEqual([]);
  expect(said(snapshot).every((line) => line.startsWith("a.yaml"))).toBe(true);
  // What is missing after a start may be in there.
  expect(take({ "a.yaml": content, "b.yaml": policy() }).incomplete).toBe(true);
  expect(good.incomplete).toBe(false);
});

test("a document that is gone from a good file is gone", () => {
  const both = take({ "a.yaml": `${tenant()}---\n${policy()}` });
  const one = take({ "a.yaml": tenant() }, both);
  expect([...one.entries.keys()]).toEqual(["Tenant//acme"]);
  expect([...take({}, one).entries.keys()]).toEqual([]);
});

test("the same resource in two files is an error that names both; the first stays in force", () => {
  const first = take({ "a.yaml": tenant("10m") });
  const twice = take({ "a.yaml": tenant("10m"), "b.yaml": `\n${tenant("20m")}` }, first);
  expect(idleOf(twice)).toBe("10m");
  expect(said(twice)).toEqual([
    "a.yaml:3: metadata.name: (Duplicate) expected one document, not a.yaml:1 and b.yaml:2",
    "b.yaml:4: metadata.name: (Duplicate) expected one document, not a.yaml:1 and b.yaml:2",
  ]);
  expect(take({ "a.yaml": tenant(), "b.yaml": tenant() }).entries.get("Tenant//acme")?.inForce).toBeUndefined();
});

test("a policy can't change its tenant while it is in force", () => {
  const before = take({ "p.yaml": policy("web", "acme") });
  const after = take({ "p.yaml": policy("web", "globex") }, before);
  expect(after.entries.get("AuthPolicy/shop/web")).toMatchObject({
    inForce: { spec: { tenantRef: { name: "acme" } } },
    problems: [{ code: "Forbidden", field: "spec.tenantRef.name" }],
  });
});

test("no problem ever quotes a Secret", () => {
  const broken = [
    secret("hunter2hunter2").replace("stringData:", "data:"),
    secret("hunter2hunter2").replace("{key:", "[key:"),
    secret("hunter2hunter2").replace("kind: Secret", "kind: Sekret"),
    secret("&x hunter2hunter2").replace("hook,", "*hunter2hunter2,"),
    `${secret("hunter2hunter2")}hunter2hunter2: hunter2hunter2\n`,
    `${secret("hunter2hunter2")}stringData: {key: hunter2hunter2}\n`,
    secret("hunter2hunter2").replace("metadata: {", "metadata: {namespace: hunter2hunter2, "),
  ];
  for (const text of broken) {
    const { problems } = take({ "s.yaml": text });
    expect(problems).not.toEqual([]);
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  }
});

test("what only pods can have is refused: a folder's policies are for none", () => {
  const files = { "p.yaml": `${policy()}  passthroughPorts: [5432]\n` };
  expect(said(take(files))).toEqual([
    expect.stringMatching(/^p\.yaml:8: spec\.passthroughPorts: .*only in Kubernetes/),
  ]);
});
