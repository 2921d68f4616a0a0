// Least rights: the operator does all of its work with the rights of manifests/rbac and those of its database role, and needs each.
import { CONFIG_MAPS, type KubeObject, PODS, SECRETS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { podObject, secretObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { conditionOf, type OperatorRig, RELEASE_NAMESPACE, startOperatorRig } from "./operator-rig.ts";
import { type AlertReceiver, startAlertReceiver } from "./testing/alert-receiver.ts";
import { type LedgerCommands, ledgerCommands } from "./testing/ledger-commands.ts";
import { operatorCalls } from "./testing/operator-calls.ts";
import { forbiddenCalls, grantedRights, usedRights } from "./testing/rights.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";

const KEEPS_TRUST = ["--hub-tls-secret", "heauth-hub-tls"];
const TRUST = "heauth-trust";
/** Anchors of deleted Tenants are kept up, too. */
const ANCHORED_WITHIN_MS = 25_000;

describeKube("the operator under its own account and with its own database login", () => {
  let rig: OperatorRig;
  let tenancy: Tenancy;
  let logins: Logins;
  let ledger: LedgerCommands;
  let receiver: AlertReceiver;

  beforeAll(async () => {
    [rig, receiver] = await Promise.all([startOperatorRig({ anchorInterval: "3s" }), startAlertReceiver()]);
    [logins, ledger] = await Promise.all([loginsOf(rig), ledgerCommands(rig)]);
    tenancy = new Tenancy(rig, "acme");
    await (await rig.startOperator({ flags: KEEPS_TRUST })).ready();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
    await receiver?.stop();
  });

  const rows = <Row extends object>(sql: string) => rig.store.superuser.query<Row>(sql);
  const anchorKept = () =>
    rig.api.client.get<KubeObject & { data: { checkpoint: string } }>(CONFIG_MAPS, {
      namespace: RELEASE_NAMESPACE,
      name: `heauth-anchor-${tenancy.id}`,
    });
  const settings = (spec: object = {}) => ({
    alerts: {
      receivers: [{ name: "secops", webhook: { url: receiver.url, signingSecretRef: { name: "hook", key: "key" } } }],
    },
    ...spec,
  });

  test("logs in as a member of heauth_operator and of nothing else, with a token of its service account", async () => {
    const login = /\/\/([^:]+):/.exec(rig.databaseUrl)?.[1];
    const memberships = `SELECT r.rolname, m.inherit_option, m.admin_option, l.rolsuper, l.rolcreaterole, l.rolcreatedb, l.rolbypassrls
      FROM pg_auth_members m JOIN pg_roles l ON l.oid = m.member JOIN pg_roles r ON r.oid = m.roleid WHERE l.rolname = '${login}'`;
    const no = { inherit_option: false, admin_option: false, rolsuper: false, rolcreaterole: false };
    expect(await rows(memberships)).toEqual([
      { rolname: "heauth_operator", ...no, rolcreatedb: false, rolbypassrls: false },
    ]);
    expect(rig.account).toEqual({ serviceAccount: "heauth-operator", namespace: RELEASE_NAMESPACE });
  });

  test("does every kind of work", async () => {
    await rig.api.client.create(SECRETS, secretObject(RELEASE_NAMESPACE, "hook", "acme", receiver.secret));
    // Made, changed, sealed, with somebody to alert and a pod to be protected.
    await tenancy.live(settings());
    await rig.api.client.create(PODS, podObject("acme", "web-0", { app: "web" }));
    await tenancy.putPolicy({ mode: "Shadow" });
    await tenancy.putTenant(settings({ audiences: ["shop", "desk"] }));
    await logins.misuse(tenancy.id, await logins.open(tenancy.id));
    expect(
      await eventually(
        () => receiver.messages.length,
        (count) => count > 0,
      ),
    ).toBe(1);
    const session = await logins.open(tenancy.id, 500);
    const reason = async () =>
      (await rows<{ why: string }>(`SELECT close_reason AS why FROM session WHERE id = '${session}'`))[0]?.why;
    expect(await eventually(reason, (why) => why === "SessionExpired")).toBe("SessionExpired");
    // Refused, and so said by an Event.
    const selector = { matchLabels: { team: "nobody" } };
    await tenancy.putTenant(settings({ allowedNamespaces: { from: "Selector", selector } }));
    await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "False", { namespace: "acme" });
    await tenancy.putTenant(settings());
    await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "True", { namespace: "acme" });
    expect(await ledger.verifyAgainstKube("acme")).toMatchObject({ code: 0 });

    // Deleted and retained: what is sealed after that moves the anchor that is kept beside.
    await tenancy.removeTenant();
    await tenancy.gone();
    const size = async () => Number((await rows<{ size: string }>("SELECT size FROM log_head"))[0]?.size);
    const moved = async () => {
      const { metadata, data } = await anchorKept();
      return [Number(data.checkpoint.split("\n")[1]), metadata.resourceVersion];
    };
    const ended = (await moved())[1];
    // What a sidecar still ships, say.
    await logins.open(tenancy.id).catch(() => {});
    const newest = async () => (await moved())[0] === (await size()) && (await moved())[1] !== ended;
    expect(await eventually(newest, Boolean, ANCHORED_WITHIN_MS)).toBe(true);
    expect(await ledger.verifyAgainstKube("acme")).toMatchObject({ code: 0 });

    // What sidecars trust, made, and put right.
    const trust = () => rig.api.client.get(CONFIG_MAPS, { namespace: "acme", name: TRUST }).catch(() => undefined);
    await rig.kubectl("label", "namespace", "acme", "heauth.io/injection=enabled");
    expect(await eventually(trust, (found) => found !== undefined)).toHaveProperty("data");
    await rig.kubectl("delete", "configmap", "-n", "acme", TRUST);
    expect(await eventually(trust, (found) => found !== undefined)).toHaveProperty("data");

    // Taken over, by another operator.
    const [first] = rig.operators();
    expect(await first?.stop()).toBe(0);
    await (await rig.startOperator({ flags: KEEPS_TRUST })).ready();
    await tenancy.putTenant(settings(), { "heauth.io/adopt": tenancy.id });
    await tenancy.ready({ anchored: true });
    expect(await ledger.verifyAgainstKube("acme")).toMatchObject({ code: 0 });

    // And deleted with all of its data.
    await tenancy.putTenant(settings({ reclaimPolicy: "Delete" }), { "heauth.io/adopt": tenancy.id });
    await rig.until("tenant/acme", (each) => each.status?.observedGeneration === each.metadata.generation);
    await tenancy.removeTenant();
    await tenancy.gone();
    await tenancy.removePolicy();
    expect(await rows("SELECT FROM tenant")).toEqual([]);
    await expect(anchorKept()).rejects.toMatchObject({ code: "NotFound" });
    const [second] = rig.operators();
    expect(await second?.stop()).toBe(0);
    expect(second?.log.filter(({ level }) => level === "error")).toEqual([]);
  }, 180_000);

  test("was refused nothing, and has no right that it did not use", async () => {
    const calls = await operatorCalls(rig);
    expect(forbiddenCalls(calls)).toEqual([]);
    expect(usedRights(calls)).toEqual(await grantedRights(rig.api, "heauth-operator", RELEASE_NAMESPACE));
  });

  test("used them where they are given: in its own namespace, and of the others' ConfigMaps only what sidecars trust", async () => {
    const own = (await operatorCalls(rig)).flatMap(({ objectRef }) =>
      ["leases", "secrets", "configmaps"].includes(objectRef?.resource ?? "") ? [objectRef] : [],
    );
    const [trust, others] = [own.filter((each) => each?.name === TRUST), own.filter((each) => each?.name !== TRUST)];
    expect(new Set(others.map((each) => each?.namespace))).toEqual(new Set([RELEASE_NAMESPACE]));
    const maps = others.filter((each) => each?.resource === "configmaps");
    for (const map of maps) expect(map?.name ?? "heauth-anchor-").toMatch(/^heauth-anchor-/);
    // Followed everywhere, written where there is injection.
    expect(new Set(trust.map((each) => each?.namespace))).toEqual(new Set([undefined, "acme"]));
  });
});
