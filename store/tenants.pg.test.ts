import { createHash } from "node:crypto";
import { defaultTenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { LedgerWriter } from "./ledger/index.ts";
import { deletePolicy, policiesIn, policiesNamed, policyNames, putPolicy } from "./policies.ts";
import { notePolicyAck, policyAcks } from "./policy-acks.ts";
import { addTagKey, removeTagKey, tagKeys, tagKeysOf } from "./tag-keys.ts";
import { createTenant } from "./tenant-resources.ts";
import { registerTenant, setTenantPasswordHash, tenantAccount } from "./tenants.ts";
import { type TestDatabase, testDatabase, testKeys } from "./testing/index.ts";

let store: TestDatabase;
let identity: Database;
let hub: Database;
let operator: Database;
let recorder: LedgerWriter;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  hub = await store.database("heauth_hub");
  operator = await store.database("heauth_operator");
  recorder = new LedgerWriter({ program: "operator", programKey: testKeys().operator });
});
afterAll(() => store.drop());

const settings = defaultTenantSettings("acme", ["shop"]);
async function resourceTenant(name: string): Promise<string> {
  const id = uuidv7();
  await operator.transaction((tx) => createTenant(tx, { id, name, settings }));
  return id;
}
const kindsOf = async (tenant: string) =>
  (
    await store.superuser.query<{ kind: string }>("SELECT kind FROM outbox WHERE tenant_id = $1 ORDER BY seq", [tenant])
  ).map(({ kind }) => kind);

describe("tenants", () => {
  test("register themselves through identity, and log in by e-mail", async () => {
    const id = uuidv7();
    const account = { id, name: "own", settings, email: "Own@acme.test", passwordHash: "hash" };
    await identity.tenantTransaction(id, (tx) => registerTenant(tx, account));
    const found = await identity.transaction((tx) => tenantAccount(tx, "own@ACME.test"));
    expect(found).toEqual({ ...account, managedBy: "API" });
    await identity.tenantTransaction(id, (tx) => setTenantPasswordHash(tx, id, "newer"));
    expect(await identity.transaction((tx) => tenantAccount(tx, "own@acme.test"))).toMatchObject({
      passwordHash: "newer",
    });
    const again = (change: object) => {
      const other = uuidv7();
      return identity.tenantTransaction(other, (tx) => registerTenant(tx, { ...account, id: other, ...change }));
    };
    await expect(again({ email: "x@acme.test" })).rejects.toMatchObject({ code: "AlreadyExists", field: "name" });
    await expect(again({ name: "x" })).rejects.toMatchObject({ code: "AlreadyExists", field: "email" });
  });

  test("have tag keys, newest first", async () => {
    const id = await resourceTenant("tagged");
    const [older, newer] = [newTagKey(), newTagKey()];
    await operator.transaction((tx) => addTagKey(tx, id, older));
    await operator.transaction((tx) => addTagKey(tx, id, newer));
    expect(await hub.read((tx) => tagKeys(tx, id))).toEqual([newer, older]);
    const [other, bare] = [await resourceTenant("tagged-too"), await resourceTenant("untagged")];
    const others = newTagKey();
    await operator.transaction((tx) => addTagKey(tx, other, others));
    const all = [
      [id, [newer, older]],
      [other, [others]],
    ];
    expect(new Set(await hub.read((tx) => tagKeysOf(tx, [id, other, bare])))).toEqual(new Set(all));
    await operator.transaction((tx) => removeTagKey(tx, id, older.id));
    expect(await identity.tenantTransaction(id, (tx) => tagKeys(tx, id))).toEqual([newer]);
  });
});

describe("policies", () => {
  const policyOf = (tenantId: string, text: string, name = "web") => ({
    tenantId,
    namespace: "shop",
    name,
    digest: `sha256:${createHash("sha256").update(text).digest("hex")}`,
    compiled: Buffer.from(text),
    selector: { matchLabels: { app: name } },
    createdAtMs: 1_700_000_000_000,
  });

  test("are put in force and taken out, each with its record and its event", async () => {
    const id = await resourceTenant("policed");
    const put = (text: string) => operator.transaction((tx) => putPolicy(tx, recorder, policyOf(id, text)));
    expect(await put("one")).toBe(true);
    expect(await put("one")).toBe(false);
    expect(await put("two")).toBe(true);
    expect(await hub.read((tx) => policiesNamed(tx, [{ namespace: "shop", name: "web" }]))).toEqual([
      policyOf(id, "two"),
    ]);
    const ack = {
      ...policyOf(id, "two"),
      pod: "shop/web-0",
      podUid: "u-0",
      enforced: true,
      missingFeatures: ["x"],
      message: "",
    };
    const { compiled: _, selector: __, createdAtMs: ___, ...said } = ack;
    await hub.transaction((tx) => notePolicyAck(tx, { ...said, enforced: false }));
    await hub.transaction((tx) => notePolicyAck(tx, said));
    expect(await operator.read((tx) => policyAcks(tx, id, said))).toEqual([said]);
    expect(await operator.transaction((tx) => deletePolicy(tx, recorder, { namespace: "shop", name: "web" }))).toBe(
      true,
    );
    expect(await operator.transaction((tx) => deletePolicy(tx, recorder, { namespace: "shop", name: "web" }))).toBe(
      false,
    );
    expect(await operator.read((tx) => policyAcks(tx, id, said))).toEqual([]);
    expect(await operator.read((tx) => policyNames(tx, id))).toEqual([]);
    expect(await kindsOf(id)).toEqual(["tenant.changed", "policy.changed", "policy.changed", "policy.changed"]);
    expect(
      await store.superuser.query(
        `SELECT type, record ->> 'policy' AS policy, private -> 'details' AS details FROM audit_record
          WHERE tenant_id = $1 AND type LIKE 'policy.%' ORDER BY at`,
        [id],
      ),
    ).toEqual(
      [
        ["policy.put", "one"],
        ["policy.put", "two"],
        ["policy.delete", "two"],
      ].map(([type, text = ""]) => ({
        type,
        policy: policyOf(id, text).digest,
        details: { namespace: "shop", name: "web" },
      })),
    );
  });

  test("are put right when their row was changed by hand, and told of anew when only their pods or their age changed", async () => {
    const id = await resourceTenant("drifted");
    const policy = policyOf(id, "one", "drifted");
    const put = (changed = {}) => operator.transaction((tx) => putPolicy(tx, recorder, { ...policy, ...changed }));
    await put();
    await store.superuser.query("UPDATE policy SET compiled = 'x' WHERE name = 'drifted'");
    expect([await put(), await put()]).toEqual([true, false]);
    expect(await put({ selector: { matchExpressions: [{ key: "app", operator: "Exists" }] } })).toBe(true);
    expect(await put({ createdAtMs: 1 })).toBe(true);
    expect(await hub.read((tx) => policiesIn(tx, "shop"))).toEqual([{ ...policy, createdAtMs: 1 }]);
    expect((await kindsOf(id)).filter((kind) => kind === "policy.changed")).toHaveLength(4);
    expect(await operator.read((tx) => policyNames(tx, id))).toEqual([{ namespace: "shop", name: "drifted" }]);
    await store.superuser.query("UPDATE policy SET digest = 'nonsense' WHERE name = 'drifted'");
    expect(await operator.transaction((tx) => deletePolicy(tx, recorder, policy))).toBe(true);
  });

  test("belong to one tenant: another one cannot take the name over, also not at the same time", async () => {
    const [one, two] = [await resourceTenant("one"), await resourceTenant("two")];
    const puts = await Promise.allSettled(
      [one, two].map((id) => operator.transaction((tx) => putPolicy(tx, recorder, policyOf(id, "p", "contended")))),
    );
    const refused = puts.filter((put) => put.status === "rejected");
    expect(refused).toEqual([expect.objectContaining({ reason: expect.objectContaining({ code: "AlreadyExists" }) })]);
    const [owner] = await operator.read((tx) => policiesNamed(tx, [{ namespace: "shop", name: "contended" }]));
    const loser = owner?.tenantId === one ? two : one;
    await expect(
      operator.transaction((tx) => putPolicy(tx, recorder, policyOf(loser, "q", "contended"))),
    ).rejects.toMatchObject({ code: "AlreadyExists" });
  });
});
