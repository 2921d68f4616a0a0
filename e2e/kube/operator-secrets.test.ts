// Of Secrets only those are ever read that are labelled for a tenant, in heauth's own namespace; and only their tenant's alerts are
// signed with them.
import { type KubeObject, SECRETS, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { secretObject, tenantObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, RELEASE_NAMESPACE, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type AlertReceiver, startAlertReceiver } from "./testing/alert-receiver.ts";
import { operatorCalls } from "./testing/operator-calls.ts";
import { type Logins, loginsOf } from "./testing/tenancy.ts";

/** A receiver is asked again soon where its alerts are due; the job looks twice a second. */
const DELIVERED_WITHIN_MS = 20_000;

describeKube("Secrets that Tenants refer to", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let receiver: AlertReceiver;
  let logins: Logins;
  let id: string;

  beforeAll(async () => {
    receiver = await startAlertReceiver();
    rig = await startOperatorRig();
    operator = await rig.startOperator();
    logins = await loginsOf(rig);
    const webhook = { url: receiver.url, signingSecretRef: { name: "hook", key: "key" } };
    const acme = tenantObject("acme", { alerts: { receivers: [{ name: "secops", webhook }] } });
    for (const tenant of [acme, tenantObject("other")]) await rig.api.client.create(TENANTS, tenant);
    const { status } = await rig.until("tenant/acme", (each) => conditionOf(each, "Ready") === "True");
    id = status?.tenantId ?? "";
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await rig?.stop();
    await receiver?.stop();
  });

  const HOOK = { namespace: RELEASE_NAMESPACE, name: "hook" };
  const label = (tenant: string | null) =>
    rig.api.client.patch(SECRETS, HOOK, { metadata: { labels: { "heauth.io/tenant": tenant } } });
  const setKey = (key: string, value: string) =>
    rig.api.client.patch(SECRETS, HOOK, { data: { [key]: Buffer.from(value).toString("base64") } });
  async function says(status: string, reason: string, message: string): Promise<void> {
    const delivering = (each: Resource) => each.status?.conditions?.find(({ type }) => type === "AlertsDelivering");
    const acme = await rig.until("tenant/acme", (each) => delivering(each)?.message === message);
    expect(delivering(acme)).toMatchObject({ status, reason });
  }
  const misuse = async () => logins.misuse(id, await logins.open(id));
  const failed = async () =>
    (
      await rig.store.superuser.query<{ attempts: number; error: string }>(
        "SELECT attempts, last_error AS error FROM alert_delivery WHERE delivered_at IS NULL",
      )
    ).at(-1);
  /** What failed waits longer each time: here, it is tried at once. @returns it, where it failed again */
  async function again() {
    const before = (await failed())?.attempts ?? 0;
    await rig.store.superuser.query("UPDATE alert_delivery SET next_at = now() WHERE delivered_at IS NULL");
    return await eventually(failed, (delivery) => delivery?.attempts !== before, DELIVERED_WITHIN_MS);
  }

  test("one that is not there can't sign: nothing is delivered, and the Tenant says why", async () => {
    await says("False", "SecretUnusable", "receiver secops: there is no Secret hook");
    await misuse();
    const tried = await eventually(failed, (delivery) => (delivery?.attempts ?? 0) > 0);
    expect(tried).toMatchObject({ error: "the signing secret can't be had: NotFound" });
  });

  test("one in another namespace, and one without the label, are as good as none", async () => {
    const elsewhere = secretObject("default", "hook", "acme", receiver.secret);
    const unlabelled = secretObject(RELEASE_NAMESPACE, "hook", undefined, receiver.secret);
    for (const each of [elsewhere, unlabelled]) await rig.api.client.create<KubeObject>(SECRETS, each);
    // What comes after it shows that these were there to be seen.
    await rig.api.client.create(SECRETS, secretObject(RELEASE_NAMESPACE, "last", "acme", "x".repeat(32)));
    await eventually(
      () => operator.metric("heauth_informer_objects", { informer: "secrets" }),
      (count) => count === 1,
    );
    expect(await operator.metric("heauth_informer_objects", { informer: "secrets" })).toBe(1);
    await says("False", "SecretUnusable", "receiver secops: there is no Secret hook");
  });

  test("one of another tenant's is not used", async () => {
    await label("other");
    await says(
      "False",
      "SecretUnusable",
      "receiver secops: Secret hook does not have the label heauth.io/tenant: acme",
    );
    expect(await again()).toMatchObject({ error: "the signing secret can't be had: NotForTenant" });
    expect(receiver.messages).toEqual([]);
  }, 90_000);

  test("labelled for the tenant, it signs what has waited, and what comes", async () => {
    await label("acme");
    while ((await again()) !== undefined);
    await misuse();
    await eventually(
      () => receiver.messages.length,
      (count) => count === 2,
    );
    expect(new Set(receiver.messages).size).toBe(2);
    expect(await eventually(failed, (delivery) => delivery === undefined)).toBeUndefined();
    await says("True", "Delivering", "");
  }, 90_000);

  test("what is changed in it counts from then on", async () => {
    await setKey("key", "short");
    await says("False", "SecretUnusable", "receiver secops: key key of Secret hook is no signing secret");
    await rig.api.client.patch(SECRETS, HOOK, { data: { key: null } });
    await says("False", "SecretUnusable", "receiver secops: Secret hook has no key key");
    await setKey("key", `whsec_${Buffer.alloc(32, 7).toString("base64")}`);
    await says("True", "Delivering", "");
    await misuse();
    await eventually(failed, (delivery) => (delivery?.attempts ?? 0) === 1, DELIVERED_WITHIN_MS);
    await again();
    const refused = await again();
    expect(refused).toMatchObject({ error: expect.stringContaining("the receiver answered 401") });
    await says("False", "DeliveryFailing", `receiver secops: ${refused?.error}`);
    await setKey("key", receiver.secret);
    while ((await again()) !== undefined);
    expect(receiver.messages).toHaveLength(3);
    await says("True", "Delivering", "");
  }, 90_000);

  test("without its label it is not used any more", async () => {
    await label(null);
    await says("False", "SecretUnusable", "receiver secops: there is no Secret hook");
    await misuse();
    expect(await eventually(failed, (delivery) => (delivery?.attempts ?? 0) > 0)).toMatchObject({
      error: "the signing secret can't be had: NotFound",
    });
    expect(receiver.messages).toHaveLength(3);
  });

  test("the API server was asked for no other Secrets, and would not have given any", async () => {
    const asked = (await operatorCalls(rig)).filter(({ objectRef }) => objectRef?.resource === "secrets");
    expect(asked.length).toBeGreaterThan(0);
    for (const { verb, requestURI } of asked) {
      const { pathname, searchParams } = new URL(requestURI, rig.api.url);
      expect(["list", "watch"]).toContain(verb);
      expect(pathname).toBe(`/api/v1/namespaces/${RELEASE_NAMESPACE}/secrets`);
      expect(searchParams.get("labelSelector")).toBe("heauth.io/tenant");
    }
    const may = async (verb: string, namespace: string) => {
      const as = `--as=system:serviceaccount:${RELEASE_NAMESPACE}:heauth-operator`;
      return (await rig.api.kubectl(["auth", "can-i", verb, "secrets", "-n", namespace, as])).stdout.trim();
    };
    expect(await may("list", RELEASE_NAMESPACE)).toBe("yes");
    expect(await may("list", "default")).toBe("no");
    for (const verb of ["get", "create", "update", "patch", "delete"])
      expect(await may(verb, RELEASE_NAMESPACE)).toBe("no");
    const told = JSON.stringify([operator.log, await rig.get("tenant/acme")]);
    for (const secret of [receiver.secret, receiver.secret.slice("whsec_".length)]) expect(told).not.toContain(secret);
  });
});
