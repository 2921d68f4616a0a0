import { createLogs, createMetrics } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { keyText, type ResourceKey } from "../source/source.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { Reconciling } from "./reconciling.ts";

const { log } = createLogs({ program: "test", level: "silent" });

test("what appears in the store without a resource, long after the start, is reconciled; so is what stands, again", async () => {
  const source = new MemorySource();
  source.put({ kind: "Tenant", metadata: { name: "acme" }, spec: { audiences: ["shop"] } });
  const seen: string[] = [];
  let twice = Promise.withResolvers<void>();
  const planted: ResourceKey = { kind: "AuthPolicy", namespace: "shop", name: "planted" };
  const policies: ResourceKey[] = [];
  const reconciling = new Reconciling({ source, log, metrics: createMetrics(), againMs: 20 });
  const over = new AbortController();
  const controllers = {
    async reconcile(key: ResourceKey) {
      seen.push(keyText(key));
      if (
        ["Tenant//acme", "AuthPolicy/shop/planted"].every((text) => seen.filter((each) => each === text).length > 1)
      ) {
        twice.resolve();
      }
      return { outcome: "ok" as const };
    },
  };
  let away: PromiseWithResolvers<void> | undefined;
  let inVain = 0;
  const stored = async () => {
    if (away === undefined) return { tenants: [], policies };
    inVain += 1;
    if (inVain === 3) away.resolve();
    throw new Error("the database is away");
  };
  const serving = reconciling.serve({ controllers, stored }, over.signal);
  await reconciling.synced;
  expect(seen).toEqual(["Tenant//acme"]);
  policies.push(planted);
  await twice.promise;
  // A store that can't be read for a while ends nothing.
  away = Promise.withResolvers();
  await away.promise;
  away = undefined;
  twice = Promise.withResolvers();
  seen.length = 0;
  await twice.promise;
  over.abort();
  await serving;
});
