import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { metricList } from "@heauth/program";
import type { KubeObject } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse, parseAllDocuments, stringify } from "yaml";
import { CHART, type Helm, openHelm, type Rendering } from "./testing/chart/helm.ts";
import { EVERYTHING, leavesOf, pathsOf, SWITCHED } from "./testing/chart/values.ts";

const ROOT = join(CHART, "../..");
const run = promisify(execFile);
const read = (path: string) => readFile(join(CHART, path), "utf8");

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly resources?: unknown;
  readonly securityContext?: unknown;
}
interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly securityContext?: unknown;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
}
type Workload = KubeObject & { readonly spec: { readonly template: { readonly spec: PodSpec } } };

const named = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.name}`;
const workloads = ({ objects }: Rendering) =>
  objects.flatMap((each) => {
    if (each.kind === "Pod") return [{ ...each, spec: { template: each } } as unknown as Workload];
    return ["Deployment", "StatefulSet", "Job"].includes(each.kind ?? "") ? [each as Workload] : [];
  });
/** Without what is generated from files that stand elsewhere. */
const ownTemplates = ({ text }: Rendering) =>
  text
    .split(/^---\n/m)
    .filter((part) => !/^# Source: heauth\/templates\/(crds|manifests)\//.test(part))
    .join("---\n");

describe("the chart", () => {
  let helm: Helm;
  beforeAll(async () => {
    helm = await openHelm();
  });
  afterAll(() => helm?.stop());

  test("has no fault that helm finds", async () => {
    const { stdout, stderr } = await helm.lint();
    expect(stdout + stderr).toContain("1 chart(s) linted, 0 chart(s) failed");
  });

  test("makes, of no values, this", async () => {
    expect(ownTemplates(await helm.render([], { bare: true }))).toMatchSnapshot();
  });

  test("makes, with everything switched on, this", async () => {
    expect(ownTemplates(await helm.render(EVERYTHING))).toMatchSnapshot();
  });

  test("gives the rights of the manifests, and their webhooks, and no trust in any certificate", async () => {
    const { text, objects } = await helm.render();
    const made = new Map(objects.map((each) => [named(each), each]));
    const files = await readdir(join(ROOT, "manifests"), { recursive: true });
    for (const file of files.filter((each) => each.endsWith(".yaml") && each !== "namespace.yaml")) {
      for (const document of parseAllDocuments(await readFile(join(ROOT, "manifests", file), "utf8"))) {
        const object = document.toJS() as KubeObject;
        expect(made.get(named(object))).toEqual(object);
      }
    }
    expect(text).not.toMatch(/^\s+caBundle:/m);
  });

  test("stands wholly in the namespace that it is installed into", async () => {
    const { text } = await helm.render(EVERYTHING, { namespace: "elsewhere" });
    expect(text.split("\n").filter((line) => line.includes("heauth-system") && !/^\s*#/.test(line))).toEqual([]);
    expect(text).toContain("postgresql://heauth_hub_login:PASSWORD@heauth-postgres.elsewhere.svc/heauth");
  });

  test("never deletes a resource type", async () => {
    const types = (await helm.render()).objects.filter(({ kind }) => kind === "CustomResourceDefinition");
    expect(types).toHaveLength(2);
    for (const { metadata } of types) expect(metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
  });

  test("asks for nothing that Pod Security's level restricted forbids", async () => {
    const all = workloads(await helm.render(EVERYTHING));
    expect(all.map(named).map((name) => name.replace(/-(migrate|keys)-.*/, "-$1"))).toEqual([
      "Deployment heauth-cli",
      "Deployment heauth-hub",
      "Deployment heauth-identity",
      "Deployment heauth-operator",
      "Deployment heauth-webhook",
      "StatefulSet heauth-postgres",
      "Job heauth-keys",
      "Job heauth-migrate",
      "Pod heauth-test",
      "Deployment app",
    ]);
    for (const { spec } of all) {
      const pod = spec.template.spec;
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(container.resources).toMatchObject({
          requests: { cpu: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
      }
    }
  });

  test("gives a token of the API server's only to those who speak to it", async () => {
    const all = workloads(await helm.render(EVERYTHING)).map(({ spec }) => spec.template.spec);
    const withToken = all.filter(({ automountServiceAccountToken }) => automountServiceAccountToken !== false);
    expect(withToken.map(({ serviceAccountName }) => serviceAccountName)).toEqual([
      "heauth-cli",
      "heauth-hub",
      "heauth-operator",
      "heauth-webhook",
      "heauth-keys",
    ]);
  });

  test.each([
    ["none", []],
    ["every", EVERYTHING],
  ] as const)("starts programs with flags that they take, of %s value", async (_, values) => {
    const programs = workloads(await helm.render(values)).flatMap(({ kind, spec }) =>
      kind === "Deployment" ? spec.template.spec.containers.filter(({ name }) => !["cli", "app"].includes(name)) : [],
    );
    expect(programs).toHaveLength(4);
    for (const { name, args = [] } of programs) {
      expect(args[0]).toBe(name);
      const env = { ...process.env, HEAUTH_DATABASE: "postgresql://login@db/heauth" };
      const { stdout } = await run(process.execPath, [join(ROOT, "cli/main.ts"), ...args, "--print-config"], { env });
      expect(stdout).toContain("9464");
    }
  });

  test("alerts by, and shows, only metrics that programs have", async () => {
    const used = `${await read("alerts.yaml")}${await read("dashboards/heauth.json")}`.match(/\bheauth_\w+/g) ?? [];
    const there = (name: string) =>
      Object.hasOwn(metricList, name) || Object.hasOwn(metricList, name.replace(/_bucket$/, ""));
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((name) => !there(name))).toEqual([]);
  });

  test("refuses a wrong value of each, and a value that there is not", async () => {
    const values: object = parse(await read("values.yaml"));
    const wrong = JSON.parse(JSON.stringify(values), (_, value) => {
      if (Array.isArray(value) || typeof value !== "object") return { wrong: 1 };
      return Object.keys(value).length === 0 ? 1 : value;
    });
    const { code, stderr } = await helm.tryValues(stringify({ ...wrong, notThere: 1 }));
    expect(code).not.toBe(0);
    expect(stderr).toContain("notThere");
    const accepted = leavesOf(values).filter(([path]) => !stderr.includes(`/${path.replaceAll(".", "/")}`));
    expect(accepted).toEqual([]);
  });

  test("has a schema for its values, and for no others but helm's own", async () => {
    const values = leavesOf(parse(await read("values.yaml"))).map(([path]) => path);
    const paths = pathsOf(JSON.parse(await read("values.schema.json"))).filter((path) => path !== "global");
    for (const value of values) expect(paths.some((path) => value === path || value.startsWith(`${path}.`))).toBe(true);
    for (const path of paths) expect(values.some((value) => value === path || value.startsWith(`${path}.`))).toBe(true);
  });

  test("does something with each of its values", async () => {
    expect(Object.keys(SWITCHED).sort()).toEqual(
      leavesOf(parse(await read("values.yaml")))
        .map(([path]) => path)
        .sort(),
    );
    const before = new Map<string, Promise<Rendering>>();
    const idle: string[] = [];
    for (const [path, [other, ...needed]] of Object.entries(SWITCHED)) {
      const base = before.get(needed.join()) ?? helm.render(needed);
      before.set(needed.join(), base);
      if ((await helm.render([...needed, `${path}=${other}`])).text === (await base).text) idle.push(path);
    }
    expect(idle).toEqual([]);
  }, 180_000);
});
