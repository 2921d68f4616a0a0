/** A real standalone with a policy for each rung, and a session's token. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runHeauth, startStandalone } from "../examples/clinic/tour/standalone.ts";

const RUNGS = { "best-effort": "BestEffort", local: "Local", database: "Database" };

export interface Protected {
  /** Rung → URL behind Envoy. */
  readonly urls: ReadonlyMap<string, string>;
  readonly token: string;
  stop(): Promise<unknown>;
}

export async function startProtected(folder: string, upstream: URL): Promise<Protected> {
  const resources = join(folder, "resources");
  const data = join(folder, "data");
  await mkdir(resources);
  const tenant = {
    apiVersion: "heauth.io/v1alpha1",
    kind: "Tenant",
    metadata: { name: "bench" },
    spec: {
      audiences: ["bench"],
      allowedNamespaces: { from: "All" },
      tokens: { accessLifetime: "1h" },
      limits: { durability: ["BestEffort", "Local", "Database"] },
    },
  };
  await writeFile(join(resources, "tenant.yaml"), JSON.stringify(tenant));
  for (const [name, durability] of Object.entries(RUNGS)) {
    await writeFile(join(resources, `${name}.yaml`), JSON.stringify(policy(name, durability)));
  }
  const apps = Object.keys(RUNGS).flatMap((name) => ["--protect", `bench/${name}=127.0.0.1:0,${upstream.origin}`]);
  const places = ["--resources", resources, "--data", data, "--identity", "127.0.0.1:0", "--log-level", "error"];
  const standalone = await startStandalone([...places, ...apps]);
  const urls = new Map(
    [...standalone.apps].map(([name, url]) => [`heauth, ${name.slice("bench/".length)}`, `${url}/`]),
  );
  return { urls, token: await logIn(standalone.identity, data), stop: () => standalone.stop() };
}

function policy(name: string, durability: string) {
  return {
    apiVersion: "heauth.io/v1alpha1",
    kind: "AuthPolicy",
    metadata: { name, namespace: "bench" },
    spec: {
      tenantRef: { name: "bench" },
      selector: { matchLabels: { app: "bench" } },
      ports: [{ port: 8080, protocol: "HTTP" }],
      rules: [{ name: "all", match: [{ path: { type: "PathPrefix", value: "/" } }], access: "Authenticated" }],
      audit: { durability },
    },
  };
}

async function logIn(identity: string, data: string): Promise<string> {
  const password = randomBytes(18).toString("base64url");
  const login = "chief@bench.example";
  const args = ["superuser", "create", "--tenant", "bench", "--email", login, "--password-stdin", "--data", data];
  const { code, output } = await runHeauth(args, `${password}\n`);
  if (code !== 0) throw new Error(output);
  const response = await fetch(`${identity}/auth`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ tenant: "bench", login, password }),
  });
  const { accessToken } = (await response.json()) as { accessToken: string };
  return accessToken;
}
