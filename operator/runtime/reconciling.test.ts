import { createLogs, createMetrics } from "@heauth/program";
import { ClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { OK, type Reconciled } from "../controllers/outcome.ts";
import { keyText, type ResourceKey } from "../source/source.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { Reconciling, type Term } from "./reconciling.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const tenant = (name: string): ResourceKey => ({ kind: "Tenant", namespace: "", name });
const policy = (name: string): ResourceKey => ({ kind: "AuthPolicy", namespace: "shop", name });

let source: MemorySource;
let reconciling: Reconciling;
let done: string[];
let answer: (key: ResourceKey) => Promise<Reconciled>;
let over: AbortController;
let onDone: () => void;

beforeEach(() => {
  source = new MemorySource();
  reconciling = new Reconciling({ source, log, metrics: createMetrics() });
  done = [];
  answer = async () => OK;
  over = new AbortController();
  onDone = () => {};
});
// Also after a test that failed.
afterEach(() => over.abort());

function term(stored: Partial<Awaited<ReturnType<Term["stored"]>>> = {}): Term {
  return {
    stored: async () => ({ tenants: [], policies: [], ...stored }),
    controllers: {
      async reconcile(key) {
        const reconciled = await answer(key);
        done.push(keyText(key));
        onDone();
        return reconciled;
      },
    },
  };
}
const put = (key: ResourceKey) =>
  source.put(
    key.kind === "Tenant"
      ? { kind: "Tenant", metadata: { name: key.name }, spec: { audiences: ["shop"] } }
      : { kind: "AuthPolicy", metadata: { namespace: key.namespace, name: key.name }, spec: {} },
  );
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      onDone = resolve;
    });
  }
}
async function ended(serving: Promise<void>): Promise<void> {
  over.abort();
  await serving;
}

test("tenants go first, then policies, also those that only the store knows; each once", async () => {
  for (const key of [policy("web"), tenant("acme"), policy("api"), tenant("globex")]) put(key);
  // A tenant's first time concerns its policies; their turn comes anyway.
  answer = async ({ kind }) => (kind === "Tenant" ? { ...OK, affects: [policy("web"), policy("api")] } : OK);
  const serving = reconciling.serve(term({ tenants: [tenant("gone")], policies: [policy("old")] }), over.signal);
  await reconciling.synced;
  expect(done.slice(0, 3).sort()).toEqual(["Tenant//acme", "Tenant//globex", "Tenant//gone"]);
  expect(done.slice(3).sort()).toEqual(["AuthPolicy/shop/api", "AuthPolicy/shop/old", "AuthPolicy/shop/web"]);
  await ended(serving);
});

test("what changes is reconciled, with those that it concerns and no others", async () => {
  for (const key of [tenant("acme"), policy("web"), policy("api")]) put(key);
  const serving = reconciling.serve(term(), over.signal);
  await reconciling.synced;
  done.length = 0;
  answer = async ({ kind }) => (kind === "Tenant" ? { ...OK, affects: [policy("web")] } : OK);
  put(tenant("acme"));
  await until(() => done.length === 2);
  expect(done).toEqual(["Tenant//acme", "AuthPolicy/shop/web"]);
  await ended(serving);
});

test("a term that has ended elsewhere ends here, and the next one begins with everything", async () => {
  put(tenant("acme"));
  answer = async () => {
    throw new StoreError("Fenced", "term 1 is over");
  };
  await reconciling.serve(term(), over.signal);
  put(tenant("acme"));
  reconciling.add(tenant("acme"));
  expect(done).toEqual([]);

  answer = async () => OK;
  const serving = reconciling.serve(term(), over.signal);
  await reconciling.synced;
  expect(done).toEqual(["Tenant//acme"]);
  await ended(serving);
});

test("a database that is away when a term begins is waited for", async () => {
  put(tenant("acme"));
  let times = 0;
  const stored = async () => {
    if (times++ === 0) throw new StoreError("StoreUnavailable", "away");
    return { tenants: [], policies: [] };
  };
  const serving = reconciling.serve({ ...term(), stored }, over.signal);
  await reconciling.synced;
  expect(times).toBe(2);
  await ended(serving);
});

test("one that fails is tried again, and does not hold up the others", async () => {
  put(tenant("acme"));
  put(tenant("globex"));
  let failures = 2;
  answer = async ({ name }) => {
    if (name === "acme" && failures-- > 0) throw new Error("not now");
    return OK;
  };
  const serving = reconciling.serve(term(), over.signal);
  await until(() => done.length === 2);
  expect(done).toEqual(["Tenant//globex", "Tenant//acme"]);
  await ended(serving);
});

test.each<[string, () => unknown]>([
  ["by itself", () => new Error("a mistake")],
  ["because the API server does not take it", () => new ClusterError("Invalid", "patch tenants/acme: it is not valid")],
])("a tenant that always fails %s does not keep policies waiting", async (_, error) => {
  for (const key of [tenant("acme"), policy("web")]) put(key);
  answer = async ({ kind }) => {
    if (kind === "Tenant") throw error();
    return OK;
  };
  const serving = reconciling.serve(term(), over.signal);
  await reconciling.synced;
  expect(done).toEqual(["AuthPolicy/shop/web"]);
  await ended(serving);
});

test.each<[string, () => unknown]>([
  ["the database", () => new StoreError("StoreUnavailable", "away")],
  ["the API server", () => new ClusterError("Unreachable", "away")],
])("while %s is away, nothing counts as reconciled", async (_, error) => {
  for (const key of [tenant("acme"), policy("web")]) put(key);
  let failures = 2;
  answer = async () => {
    if (failures-- > 0) throw error();
    return OK;
  };
  const serving = reconciling.serve(term(), over.signal);
  await reconciling.synced;
  expect(done).toEqual(["Tenant//acme", "AuthPolicy/shop/web"]);
  await ended(serving);
});
