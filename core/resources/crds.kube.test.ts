import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Document, parseAllDocuments } from "yaml";
import { kinds } from "./crd.ts";
import { authPolicy, changed, tenant } from "./testing/index.ts";
import { validateResource } from "./validate.ts";

const root = join(import.meta.dirname, "../..");
const MIB = 2 ** 20;

describeKube("the CRDs on a real API server", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await startApiServer();
    const namespaces = new Set(writtenResources().map((document) => document.getIn(["metadata", "namespace"])));
    for (const namespace of new Set([...namespaces, "shop"])) {
      if (typeof namespace === "string") await kubectl(["create", "namespace", namespace]);
    }
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  async function kubectl(args: string[], input?: object | string): Promise<string> {
    const { stdout, stderr, code } = await server.kubectl(
      args,
      typeof input === "object" ? JSON.stringify(input) : input,
    );
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  const read = async (...args: string[]) => JSON.parse(await kubectl(["get", ...args, "-o", "json"]));

  test.each(kinds)("$kind is established, with nothing to complain of", async ({ plural, shortName }) => {
    const { status } = await read("crd", `${plural}.heauth.io`);
    const conditions = status.conditions.map(({ type, status }: Record<string, string>) => `${type} ${status}`);
    // NonStructuralSchema stands here only where there is something wrong.
    expect(conditions.sort()).toEqual(["Established True", "NamesAccepted True"]);
    expect(status.acceptedNames).toMatchObject({ shortNames: [shortName], categories: ["heauth"] });
  });

  /** A kind's schema, which the API server publishes a moment after it serves the kind. */
  async function published(plural: string): Promise<Schema> {
    for (;;) {
      const { stdout } = await server.kubectl(["get", "--raw", "/openapi/v3/apis/heauth.io/v1alpha1"]);
      const schemas: Record<string, Schema> = stdout === "" ? {} : (JSON.parse(stdout).components?.schemas ?? {});
      const [, schema] = Object.entries(schemas).find(([name]) => name.endsWith(singular(plural))) ?? [];
      if (schema !== undefined) return schema;
      await pause(50);
    }
  }

  test.each(kinds)("kubectl explain says what each field of $kind is for", async ({ plural }) => {
    const schema = await published(plural);
    const paths = fields(schema, plural).filter((path) => !path.startsWith(`${plural}.metadata`));
    expect(paths.length).toBeGreaterThan(40);
    expect(undescribed(schema, plural)).toEqual([]);
    for (const path of paths.filter((_, index) => index % 8 === 0)) {
      expect(await kubectl(["explain", path])).toMatch(/DESCRIPTION:\n {4}\S.+/);
    }
    expect(await kubectl(["explain", plural, "--recursive"])).toContain("spec");
  });

  test("every resource in the examples and in the docs applies as it stands", async () => {
    const documents = writtenResources();
    expect(documents.length).toBeGreaterThanOrEqual(2);
    for (const document of documents) {
      const said = await kubectl(
        ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"],
        String(document),
      );
      expect(said).toContain("serverside-applied");
    }
  });

  test("kubectl get shows whether it works, by short name and by category", async () => {
    await kubectl(["create", "-f", "-"], tenant);
    await kubectl(["create", "-f", "-"], authPolicy);
    expect(words(await kubectl(["get", "ten"]))).toEqual([
      ["NAME", "READY", "SEALED", "CHECKPOINT", "AGE"],
      ["acme", expect.stringMatching(/^\d+s$/)],
    ]);
    const now = new Date().toISOString();
    const condition = (type: string) => ({
      type,
      status: "True",
      reason: "Done",
      message: "",
      lastTransitionTime: now,
    });
    await kubectl(
      ["patch", "tenant", "acme", "--subresource=status", "--type=merge", "-p"].concat(
        JSON.stringify({
          status: {
            ledger: { epoch: 0, size: 812, note: "n", time: new Date(Date.now() - 300_000).toISOString() },
            conditions: [condition("LedgerSealed"), condition("Ready")],
          },
        }),
      ),
    );
    await kubectl(
      ["patch", "ap", "web", "-n", "shop", "--subresource=status", "--type=merge", "-p"].concat(
        JSON.stringify({
          status: {
            pods: { selected: 12, injected: 11, synced: 10 },
            conditions: [condition("Enforced"), condition("Accepted")],
          },
        }),
      ),
    );
    // kubectl's clock goes on: "5m", "5m1s".
    const sealed = expect.stringMatching(/^5m(\d+s)?$/);
    expect(words(await kubectl(["get", "tenants"]))[1]).toEqual(["acme", "True", "812", sealed, expect.anything()]);
    expect(words(await kubectl(["get", "authpolicies", "-A"]))).toEqual([
      ["NAMESPACE", "NAME", "TENANT", "MODE", "ACCEPTED", "ENFORCED", "PODS", "SYNCED", "AGE"],
      ["shop", "web", "acme", "Enforce", "True", "True", "12", "10", expect.anything()],
    ]);
    expect(await kubectl(["get", "heauth", "-n", "shop", "-o", "name"])).toBe(
      "authpolicy.heauth.io/web\ntenant.heauth.io/acme\n",
    );
  });

  describe("what is stored", () => {
    test.each([
      ["tenant", changed({ ...tenant, metadata: { name: "short" } }, "spec", { audiences: ["shop"] })],
      [
        "authpolicy",
        {
          ...authPolicy,
          metadata: { name: "short", namespace: "shop" },
          spec: {
            tenantRef: { name: "acme" },
            selector: { matchLabels: { app: "web" } },
            ports: [{ port: 8080, protocol: "HTTP" }],
            passthroughPorts: [5432, 6379],
            rules: [{ name: "all", match: [{}], access: "Public" }],
          },
        },
      ],
    ])("has the same defaults as we fill in: %s", async (kind, resource) => {
      await kubectl(["create", "-f", "-"], resource);
      const stored = await read(kind, "short", "-n", "shop");
      const validated = validateResource(resource);
      expect(stored.spec).toEqual(validated.ok && validated.resource.spec);
      expect(validateResource(stored)).toMatchObject({ ok: true, resource: { spec: stored.spec } });
    });

    test("its generation rises with the spec and with nothing else", async () => {
      await kubectl(["create", "-f", "-"], { ...tenant, metadata: { name: "counted" } });
      const generation = async () => (await read("tenant", "counted")).metadata.generation;
      const patch = async (body: object, ...args: string[]) =>
        await kubectl(["patch", "tenant", "counted", "--type=merge", "-p", JSON.stringify(body), ...args]);
      expect(await generation()).toBe(1);
      await patch({ status: { observedGeneration: 1 } }, "--subresource=status");
      await patch({ metadata: { labels: { team: "other" } } });
      expect(await generation()).toBe(1);
      await patch({ spec: { displayName: "Counted" } });
      expect(await generation()).toBe(2);
    });

    test("the status is the subresource's alone, and the spec is not", async () => {
      await kubectl(["create", "-f", "-"], {
        ...tenant,
        metadata: { name: "parted" },
        status: { observedGeneration: 7 },
      });
      await kubectl(["patch", "tenant", "parted", "--type=merge", "-p", '{"status":{"observedGeneration":8}}']);
      const both = { spec: { displayName: "Written by status" }, status: { observedGeneration: 9 } };
      expect((await read("tenant", "parted")).status).toBeUndefined();
      await kubectl(["patch", "tenant", "parted", "--subresource=status", "--type=merge", "-p", JSON.stringify(both)]);
      expect(await read("tenant", "parted")).toMatchObject({
        spec: { displayName: tenant.spec.displayName },
        status: { observedGeneration: 9 },
      });
    });

    test("a field that nobody knows is refused, or taken away where the client does not ask for strictness", async () => {
      const unknown = changed({ ...tenant, metadata: { name: "pruned" } }, "spec.sesions", { maxPerUser: 1 });
      await expect(kubectl(["create", "-f", "-"], unknown)).rejects.toThrow('unknown field "spec.sesions"');
      await kubectl(["create", "--validate=ignore", "-f", "-"], unknown);
      expect((await read("tenant", "pruned")).spec).not.toHaveProperty("sesions");
    });

    test("a policy's tenant can't be changed", async () => {
      await kubectl(["create", "-f", "-"], { ...authPolicy, metadata: { name: "kept", namespace: "shop" } });
      const moved = '{"spec":{"tenantRef":{"name":"globex"}}}';
      await expect(kubectl(["patch", "ap", "kept", "-n", "shop", "--type=merge", "-p", moved])).rejects.toThrow(
        /spec\.tenantRef\.name.*the same tenant as before/,
      );
    });

    test("the largest policy that etcd can hold is within what rules may cost", async () => {
      const path = (n: number) => ({ path: { value: `/${String(n).padEnd(500, "a/")}a` } });
      const rules = Array.from({ length: 128 }, (_, n) => ({
        name: `${"r".repeat(59)}-${String(n).padStart(3, "0")}`,
        match: Array.from({ length: 16 }, (_, m) => path(m)),
        access: "Authenticated",
        when: "true || ".repeat(60).concat("true"),
      }));
      const policy = changed({ ...authPolicy, metadata: { name: "large", namespace: "shop" } }, "spec.rules", rules);
      expect(JSON.stringify(policy).length).toBeGreaterThan(MIB);
      expect(validateResource(policy)).toMatchObject({ ok: true });
      await kubectl(["create", "-f", "-"], policy);
    });
  });
});

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
}

/** Every field below, as kubectl explain wants to be asked. */
function fields(schema: Schema, path: string): string[] {
  const below = schema.items ?? schema;
  return Object.entries(below.properties ?? {}).flatMap(([name, each]) => [
    `${path}.${name}`,
    ...fields(each, `${path}.${name}`),
  ]);
}

function undescribed(schema: Schema, path: string): string[] {
  const below = schema.items ?? schema;
  return Object.entries(below.properties ?? {}).flatMap(([name, each]) => [
    ...(each.description || name === "metadata" ? [] : [`${path}.${name}`]),
    ...undescribed(each, `${path}.${name}`),
  ]);
}

const singular = (plural: string) => kinds.find((each) => each.plural === plural)?.kind ?? "";

/** Columns of each line, as kubectl parts them. */
const words = (table: string) =>
  table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));

/** YAML in the examples, and in fences in the docs. */
function writtenResources(): Document[] {
  const below = (folder: string, ending: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(ending))
      .map((name) => readFileSync(join(root, folder, name), "utf8"));
  const pages = [readFileSync(join(root, "README.md"), "utf8"), ...below("docs", ".md")];
  const fenced = pages.flatMap((page) => [...page.matchAll(/```ya?ml\n(.*?)```/gs)].map(([, text = ""]) => text));
  return [...below("examples", ".yaml"), ...fenced]
    .flatMap((text) => parseAllDocuments(text))
    .filter((document) => String(document.get("apiVersion")).startsWith("heauth.io/"));
}
