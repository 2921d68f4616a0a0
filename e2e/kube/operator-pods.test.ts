// Which pods a policy has, and how far it has come at them: pods as the API server has them, and what their sidecars say, as the
// hub writes it down.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseProgramKeyFile } from "@heauth/core/keys";
import { AUTH_POLICIES, type KubeObject, NAMESPACES, PODS, TENANTS } from "@heauth/program/kubernetes";
import { type Database, giveJournals, insertSegments, notePolicyAck, type PolicyAck } from "@heauth/store";
import { TestJournal } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { namespaceObject, podObject, policyObject, tenantObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";

const WEB = { app: "web" };
/** News of pods and of what sidecars say are each looked at every 2 s; then, what a busy machine takes. */
const SEEN_WITHIN_MS = 6_000;

describeKube("the pods of AuthPolicies", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let hub: Database;
  let tenantId: string;
  const uids = new Map<string, string>();

  beforeAll(async () => {
    rig = await startOperatorRig();
    hub = await rig.store.database("heauth_hub");
    operator = await rig.startOperator({ flags: ["--lost-after", "1s"] });
    await rig.api.client.create(NAMESPACES, namespaceObject("shop", { team: "acme", stage: "live" }));
    const selector = {
      matchLabels: { team: "acme" },
      matchExpressions: [{ key: "stage", operator: "In", values: ["live", "test"] }],
    };
    await put(tenantObject("acme", { allowedNamespaces: { from: "Selector", selector } }));
    await put(policyObject("shop", "web"));
    const acme = await rig.until("tenant/acme", ({ status }) => status?.ledger !== undefined);
    tenantId = acme.status?.tenantId ?? "";
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  const put = (object: KubeObject) =>
    rig.api.client.apply<KubeObject>(object.kind === "Tenant" ? TENANTS : AUTH_POLICIES, object, {
      fieldManager: "somebody",
    });
  async function makePod(
    name: string,
    { injected = true, labels = WEB as Record<string, string> } = {},
  ): Promise<void> {
    const { metadata } = await rig.api.client.create<KubeObject>(PODS, podObject("shop", name, labels, { injected }));
    uids.set(name, metadata.uid ?? "");
  }
  const removePod = (name: string) => rig.api.client.remove(PODS, { namespace: "shop", name });
  const digest = async (policy: string) => (await rig.get(`authpolicy/${policy}`, "shop")).status?.policyDigest ?? "";

  /** As the hub notes what a sidecar answers. */
  async function say(pod: string, policy: string, said: Partial<PolicyAck> = {}): Promise<void> {
    const ack: PolicyAck = {
      ...{ tenantId, namespace: "shop", name: policy, pod: `shop/${pod}`, podUid: uids.get(pod) ?? "" },
      ...{ digest: await digest(policy), enforced: true, missingFeatures: [], message: "" },
      ...said,
    };
    await hub.tenantTransaction(tenantId, (tx) => notePolicyAck(tx, ack));
  }

  const word = ({ status }: Resource, type: string) => {
    const found = status?.conditions?.find((each) => each.type === type);
    return `${found?.status} ${found?.reason}`;
  };
  const message = ({ status }: Resource, type: string) =>
    status?.conditions?.find((each) => each.type === type)?.message ?? "";

  /** Waits until it says so, with these counts: pods that it selects, with a sidecar, in step. */
  async function becomes(policy: string, enforced: string, counts: readonly [number, number, number]) {
    const [selected, injected, synced] = counts;
    const isSo = (each: Resource) =>
      word(each, "Enforced") === enforced &&
      JSON.stringify([each.status?.pods?.selected, each.status?.pods?.injected, each.status?.pods?.synced]) ===
        JSON.stringify(counts);
    const found = await rig.until(`authpolicy/${policy}`, isSo, { namespace: "shop", withinMs: SEEN_WITHIN_MS });
    expect(found.status?.pods).toEqual({ selected, injected, synced });
    for (const each of found.status?.conditions ?? []) expect(each.observedGeneration).toBe(found.metadata.generation);
    return found;
  }

  test("without pods it is enforced", async () => {
    await becomes("web", "True NoPods", [0, 0, 0]);
  }, 90_000);

  test("pods without a sidecar are named, five at most", async () => {
    for (let n = 0; n < 7; n++) await makePod(`bare-${n}`, { injected: false });
    await makePod("other", { injected: false, labels: { app: "other" } });
    const web = await becomes("web", "False PodsNotInjected", [7, 0, 0]);
    expect(message(web, "Enforced")).toBe(
      "without heauth's sidecar: bare-0, bare-1, bare-2, bare-3, bare-4 and 2 more",
    );
    await rig.api.client.patch(
      PODS,
      { namespace: "shop", name: "bare-6" },
      { status: { phase: "Succeeded" } },
      { subresource: "status" },
    );
    await becomes("web", "False PodsNotInjected", [6, 0, 0]);
    for (let n = 0; n < 6; n++) await removePod(`bare-${n}`);
    await becomes("web", "True NoPods", [0, 0, 0]);
  }, 90_000);

  test("it is enforced when each sidecar has said so of this digest, and not before", async () => {
    await makePod("web-1");
    await makePod("web-2");
    expect(message(await becomes("web", "False Syncing", [2, 2, 0]), "Enforced")).toContain("web-1, web-2");
    await say("web-1", "web");
    expect(message(await becomes("web", "False Syncing", [2, 2, 1]), "Enforced")).toContain("web-2");
    await say("web-2", "web", { digest: `sha256:${"0".repeat(64)}` });
    await say("web-2", "web", { podUid: "of an earlier pod of that name" });
    await becomes("web", "False Syncing", [2, 2, 1]);
    await say("web-2", "web");
    expect(message(await becomes("web", "True Enforced", [2, 2, 2]), "Enforced")).toBe("at 2 pods");
  }, 90_000);

  test("kubectl get shows that", async () => {
    expect(await rig.kubectl("get", "authpolicies", "-A")).toMatch(
      /^NAMESPACE +NAME +TENANT +MODE +ACCEPTED +ENFORCED +PODS +SYNCED +AGE\nshop +web +acme +Enforce +True +True +2 +2 +\d+\w*\n$/,
    );
    expect(await rig.kubectl("get", "ap", "-n", "shop", "web", "--no-headers")).toMatch(
      /^web +acme +Enforce +True +True +2 +2 /,
    );
    expect(await rig.kubectl("get", "tenants")).toMatch(
      /^NAME +READY +SEALED +CHECKPOINT +AGE\nacme +True +\d+ +\d+\w* +\d+\w*\n$/,
    );
    expect(await rig.kubectl("get", "heauth", "-A", "-o", "name")).toBe(
      "authpolicy.heauth.io/web\ntenant.heauth.io/acme\n",
    );
  });

  test("a sidecar that is too old, or that refuses, is named with why", async () => {
    await say("web-1", "web", { enforced: false, missingFeatures: ["upgrades"] });
    const old = await becomes("web", "False SidecarTooOld", [2, 2, 1]);
    expect(message(old, "Enforced")).toBe("sidecars that lack upgrades: web-1");
    await say("web-1", "web", { enforced: false, message: "its port is taken" });
    const refused = await becomes("web", "False SidecarRefused", [2, 2, 1]);
    expect(message(refused, "Enforced")).toBe("web-1: its port is taken");
    await say("web-1", "web");
    await becomes("web", "True Enforced", [2, 2, 2]);
  }, 90_000);

  test("what is changed has to come to every pod anew", async () => {
    await put(policyObject("shop", "web", { mode: "Shadow" }));
    await becomes("web", "False Syncing", [2, 2, 0]);
    for (const pod of ["web-1", "web-2"]) await say(pod, "web");
    await becomes("web", "True Enforced", [2, 2, 2]);
  }, 90_000);

  test("of two policies that select the same pod the older wins, whatever their names; without it, the other has the pod", async () => {
    await put(policyObject("shop", "a-younger", { selector: { matchLabels: WEB } }));
    const younger = await becomes("a-younger", "False Conflicted", [2, 2, 0]);
    expect(word(younger, "Conflicted")).toBe("True SelectedByAnother");
    expect(message(younger, "Conflicted")).toBe("shop/web is older and protects web-1, web-2");
    expect(word(await becomes("web", "True Enforced", [2, 2, 2]), "Conflicted")).toBe("False NoConflict");

    await makePod("web-3", { labels: { ...WEB, tier: "edge" } });
    await put(policyObject("shop", "web", { mode: "Shadow", selector: { matchLabels: { ...WEB, tier: "edge" } } }));
    await becomes("a-younger", "False Conflicted", [3, 3, 0]);
    // The pod and the policy that is older may be news at two times.
    const isNarrower = (each: Resource) => message(each, "Conflicted") === "shop/web is older and protects web-3";
    const narrower = { namespace: "shop", withinMs: SEEN_WITHIN_MS };
    expect(word(await rig.until("authpolicy/a-younger", isNarrower, narrower), "Enforced")).toBe("False Conflicted");

    await rig.api.client.remove(AUTH_POLICIES, { namespace: "shop", name: "web" });
    const alone = await becomes("a-younger", "False Syncing", [3, 3, 0]);
    expect(word(alone, "Conflicted")).toBe("False NoConflict");
    for (const pod of ["web-1", "web-2", "web-3"]) await say(pod, "a-younger");
    await becomes("a-younger", "True Enforced", [3, 3, 3]);
  }, 90_000);

  test("a namespace that the tenant does not allow any more has no policy in force; allowed again, it has", async () => {
    const label = (labels: object) => rig.api.client.patch(NAMESPACES, { name: "shop" }, { metadata: { labels } });
    const rows = () => rig.store.superuser.query("SELECT name FROM policy");
    await label({ stage: "draft" });
    const out = await becomes("a-younger", "False NotInForce", [3, 3, 0]);
    expect(word(out, "ResolvedRefs")).toBe("False TenantNotPermitted");
    expect(out.status?.policyDigest).toBeUndefined();
    expect(await rows()).toEqual([]);
    await label({ stage: "test" });
    await becomes("a-younger", "False Syncing", [3, 3, 0]);
    expect(await rows()).toEqual([{ name: "a-younger" }]);
    await put(tenantObject("acme", { allowedNamespaces: { from: "None" } }));
    await becomes("a-younger", "False NotInForce", [3, 3, 0]);
    expect(await rows()).toEqual([]);
  }, 90_000);

  test("a journal that a pod did not close is lost when the pod is gone, and of one that is there it is not", async () => {
    const hubKey = parseProgramKeyFile(await readFile(join(rig.keys, "hub.json"), "utf8"), "hub");
    for (const name of ["web-1", "web-2"]) {
      const journal = new TestJournal(tenantId, hubKey, { pod: `shop/${name}` });
      await hub.tenantTransaction(tenantId, async (tx) => {
        await journal.register(tx, hubKey);
        await giveJournals(tx, tenantId, [journal.id], uids.get(name) ?? "");
        await insertSegments(tx, tenantId, journal.id, [journal.seal()]);
      });
    }
    await removePod("web-2");
    const lost = () => operator.metric("heauth_gaps_total", { reason: "JournalLost" });
    expect(await eventually(lost, (count) => count > 0, 30_000)).toBe(1);
    const told = "SELECT reason, details ->> 'pod' AS pod FROM alert WHERE reason = 'JournalLost'";
    expect(await rig.store.superuser.query(told)).toEqual([{ reason: "JournalLost", pod: "shop/web-2" }]);
  }, 90_000);

  test("nothing of all that went wrong", async () => {
    expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
    expect(conditionOf(await rig.get("tenant/acme"), "Ready")).toBe("True");
  });
});
