import { LedgerError } from "@heauth/core/ledger";
import { createLogs, createMetrics } from "@heauth/program";
import { ClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { OK } from "../controllers/outcome.ts";
import { OperatorError } from "../errors.ts";
import { keyText, type ResourceKey } from "../source/source.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { Failures } from "./failures.ts";
import { publicReason } from "./public-reason.ts";
import { Reconciling } from "./reconciling.ts";

const acme: ResourceKey = { kind: "Tenant", namespace: "", name: "acme" };
const globex: ResourceKey = { kind: "Tenant", namespace: "", name: "globex" };
const mistake = () => new ClusterError("Invalid", "patch tenants/acme: it is not valid");

/** What was told, in its order. */
let told: string[];
let lines: { msg: string; resource?: string }[];
let refusal: Error | undefined;
let failures: Failures;
const sink = {
  async failing(key: ResourceKey, why: string) {
    if (refusal !== undefined) throw refusal;
    told.push(`${keyText(key)} ${why}`);
  },
  async over(key: ResourceKey) {
    if (refusal !== undefined) throw refusal;
    told.push(`${keyText(key)} over`);
  },
};
let over: AbortController;
const { log } = createLogs({
  program: "test",
  level: "warn",
  destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
});

beforeEach(() => {
  told = [];
  lines = [];
  refusal = undefined;
  over = new AbortController();
  failures = new Failures(sink, log);
});
afterEach(() => over.abort());

async function fail(times: number, error: () => unknown, key = acme): Promise<void> {
  for (let i = 0; i < times; i++) await failures.failed(key, error());
}

test("a resource that fails again and again is told of until it does not, and the others are not", async () => {
  const source = new MemorySource();
  for (const { kind, name } of [acme, globex]) source.put({ kind, metadata: { name }, spec: { audiences: ["shop"] } });
  const reconciling = new Reconciling({ source, log, metrics: createMetrics(), failureSink: sink });
  const worked = Promise.withResolvers<void>();
  let tries = 0;
  const controllers = {
    async reconcile({ name }: ResourceKey) {
      if (name !== "acme") return OK;
      if (++tries > 7) {
        worked.resolve();
        return OK;
      }
      // Without the time that it would have to wait.
      reconciling.add(acme);
      throw mistake();
    },
  };
  const stored = async () => ({ tenants: [], policies: [] });
  const serving = reconciling.serve({ controllers, stored }, over.signal);
  await worked.promise;
  over.abort();
  await serving;
  expect(told.filter((text) => text.startsWith(keyText(acme)))).toEqual([
    ...Array(3).fill("Tenant//acme Invalid: patch tenants/acme: it is not valid"),
    "Tenant//acme over",
  ]);
  expect(told).toContain("Tenant//globex over");
  expect(told.some((text) => text.startsWith("Tenant//globex Invalid"))).toBe(false);
});

test("only failures in a row count, each resource's by themselves", async () => {
  await fail(4, mistake);
  await fail(4, mistake, globex);
  await failures.over(acme);
  await fail(4, mistake);
  expect(told).toEqual(["Tenant//acme over"]);
  await fail(1, mistake, globex);
  expect(told).toHaveLength(2);
  failures.forget();
  await fail(4, mistake, globex);
  expect(told).toHaveLength(2);
});

test.each<[string, () => unknown]>([
  ["a database that is away", () => new StoreError("StoreUnavailable", "away")],
  ["an API server that is away", () => new ClusterError("Unreachable", "away")],
  ["an anchor that can't be asked for then", () => unavailable(new ClusterError("Timeout", "away"))],
  ["an anchor that is not asked for meanwhile", () => unavailable(undefined)],
  ["a conflict", () => new ClusterError("Conflict", "changed meanwhile")],
  ["a term that is over", () => new StoreError("Fenced", "term 1 is over")],
])("%s is no failure of the resource's, and does not end its failures", async (_, error) => {
  await fail(20, error);
  expect(told).toEqual([]);
  await fail(4, mistake);
  await fail(1, error);
  expect(told).toEqual([]);
  await fail(1, mistake);
  expect(told).toHaveLength(1);
});

test("an anchor that may not be read is a failure", async () => {
  await fail(5, () => unavailable(new ClusterError("Forbidden", "no")));
  expect(told).toEqual(["Tenant//acme AnchorUnavailable: the anchor can't be read"]);
});

test("what can't be told is logged, but not that somebody was there first; that it is over is told for sure", async () => {
  refusal = new ClusterError("Conflict", "changed meanwhile");
  await fail(5, mistake);
  expect(lines).toEqual([]);
  refusal = new ClusterError("Forbidden", "no");
  await fail(1, mistake);
  expect(lines).toMatchObject([{ resource: "Tenant/acme" }]);
  await expect(failures.over(acme)).rejects.toBe(refusal);
  refusal = undefined;
  await fail(1, mistake);
  expect(told).toHaveLength(1);
});

function unavailable(cause: unknown): OperatorError {
  return new OperatorError("AnchorUnavailable", "the anchor can't be read", { cause });
}

const sql = 'duplicate key value violates "user_login_key": Key (login)=(alice) already exists.';
test.each<[string, unknown, string]>([
  ["ours", new StoreError("NotFound", "there is no tenant acme"), "NotFound: there is no tenant acme"],
  ["the ledger's", new LedgerError("KeyInvalid", "a key"), "KeyInvalid: a key"],
  ["in lines", new ClusterError("Invalid", "a\n\tb\u0000c"), "Invalid: a b c"],
  [
    "the database's",
    Object.assign(new Error(sql), { code: "23505", severity: "ERROR", detail: sql }),
    "the database answered 23505; the operator's log says more",
  ],
  ["anybody's", new TypeError("secret"), "TypeError; the operator's log says more"],
  ["oddly named", Object.assign(new Error("x"), { name: "a secret=1" }), "Error; the operator's log says more"],
  ["none", "secret", "the operator's log says more"],
])("an error that is %s says no more than may be read by everybody", (_, error, text) => {
  expect(publicReason(error)).toBe(text);
});

test("what is said has an end, in whole characters", () => {
  const text = publicReason(new StoreError("NotFound", "😀".repeat(1_000)));
  expect(text).toBe(`NotFound: ${"😀".repeat(502)}…`);
});
