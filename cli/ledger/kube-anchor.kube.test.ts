import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { apiVersionOf, SERVICE_ACCOUNTS, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { RetainedAnchors } from "../../operator/anchor/retained.ts";
import { putTenantAnchor } from "../../operator/anchor/tenant-status.ts";
import { readKubeAnchor } from "./kube-anchor.ts";
import { runVerify, type VerifyArguments } from "./run-verify.ts";
import { type History, TENANT } from "./testing/history.ts";
import { type TamperRig, tamperRig } from "./testing/tamper-rig.ts";

describeKube("the anchor in a Tenant's status", () => {
  let rig: TamperRig;
  let history: History;
  let server: ApiServer;
  let folder: string;

  beforeAll(async () => {
    [rig, server] = await Promise.all([tamperRig(), startApiServer()]);
    history = rig.history;
    folder = await mkdtemp(join(tmpdir(), "heauth-kube-anchor-"));
    for (const name of [TENANT, "fresh"]) {
      await server.client.create(TENANTS, {
        apiVersion: apiVersionOf(TENANTS),
        kind: TENANTS.kind,
        metadata: { name },
        spec: { audiences: ["shop"] },
      });
    }
    await putTenantAnchor(server.client, { name: TENANT, resourceVersion: undefined }, history.anchors[1], Date.now());
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await Promise.all([rig?.drop(), server?.stop()]);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function verify(options: Partial<VerifyArguments> = {}) {
    let out = "";
    const code = await runVerify(
      {
        tenant: TENANT,
        database: rig.store.url,
        keys: join(rig.folder, "ledger-keys.json"),
        against: "kube",
        kubeconfig: await server.kubeconfig(),
        ...options,
      },
      { out: { write: (text) => (out += text) }, err: { write: () => undefined } },
    );
    return { code, out };
  }

  test("is what verify holds the ledger against", async () => {
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining("goes on from the anchor") });
    const change = (by: number) =>
      rig.store.superuser.query(
        "UPDATE log_entry SET leaf = set_byte(leaf, 3, (get_byte(leaf, 3) + $2 + 256) % 256) WHERE tenant_id = $1 AND index = 2",
        [history.tenantId, by],
      );
    await change(1);
    try {
      expect(await verify()).toMatchObject({ code: 1, out: expect.stringContaining("Forked") });
    } finally {
      await change(-1);
    }
  });

  test("that is not there, or of no Tenant, or not to be read, is said", async () => {
    const kubeconfig = await server.kubeconfig();
    expect(await readKubeAnchor({ tenant: "fresh", tenantId: history.tenantId, kubeconfig })).toBeUndefined();
    await expect(verify({ tenant: "fresh" })).rejects.toMatchObject({
      message: expect.stringMatching(/no anchor \(yet\)/),
    });
    await expect(verify({ tenant: "nobody" })).rejects.toMatchObject({
      message: expect.stringMatching(/there is no Tenant nobody at https:/),
    });
    const stranger = { name: "stranger", namespace: "default" };
    await server.client.create(SERVICE_ACCOUNTS, { apiVersion: "v1", kind: "ServiceAccount", metadata: stranger });
    const another = await server.kubeconfig({ serviceAccount: "stranger", namespace: "default" });
    await expect(verify({ kubeconfig: another })).rejects.toMatchObject({
      message: expect.stringMatching(/refuses to show the Tenant acme/),
    });
    const broken = join(folder, "kubeconfig");
    await writeFile(broken, "clusters: []\n");
    await expect(verify({ kubeconfig: broken })).rejects.toMatchObject({
      message: expect.stringMatching(/^the cluster: /),
    });
    await expect(verify({ against: undefined })).rejects.toMatchObject({
      message: expect.stringMatching(/--against kube/),
    });
  });

  test("of a Tenant of the same name that is not the database's is not taken", async () => {
    const become = (tenantId: string | null) =>
      server.client.patch(TENANTS, { name: TENANT }, { status: { tenantId } }, { subresource: "status" });
    await become(history.tenantId);
    expect(await verify()).toMatchObject({ code: 0 });
    const other = "0199a000-0000-7000-8000-000000000001";
    await rig.store.superuser.query(
      "INSERT INTO tenant (id, name, managed_by, settings) VALUES ($1, 'renamed', 'Resource', '{}')",
      [other],
    );
    const rename = async (from: string, to: string) =>
      rig.store.superuser.query("UPDATE tenant SET name = $2 WHERE name = $1", [from, to]);
    await rename(TENANT, "put aside");
    await rename("renamed", TENANT);
    try {
      await expect(verify()).rejects.toMatchObject({
        code: "InvalidOption",
        message: expect.stringMatching(`is tenant ${history.tenantId}, and the database's acme is ${other}`),
      });
    } finally {
      await rig.store.superuser.query("DELETE FROM tenant WHERE id = $1", [other]);
      await rename("put aside", TENANT);
    }
  });

  test("of a Tenant that was deleted is the retained one", async () => {
    const keeper = new RetainedAnchors(server.client, "default");
    await server.client.remove(TENANTS, { name: TENANT });
    await expect(verify({ namespace: "default" })).rejects.toMatchObject({
      message: expect.stringMatching(
        /there is no Tenant acme at .*, nor an anchor retained of one in namespace default/,
      ),
    });
    await keeper.retain(history.tenantId, history.anchors[1]);
    expect(await verify({ namespace: "default" })).toMatchObject({
      code: 0,
      out: expect.stringContaining("goes on from the anchor"),
    });
    await expect(verify({ against: undefined, kubeconfig: undefined, namespace: "default" })).rejects.toMatchObject({
      message: expect.stringMatching(/--against kube/),
    });
  });

  test(
    "of a server that does not answer is said",
    async () => {
      await server.stopServer();
      try {
        await expect(verify()).rejects.toMatchObject({
          code: "NotReady",
          message: expect.stringMatching(/does not answer/),
        });
      } finally {
        await server.startServer();
      }
    },
    API_SERVER_STARTS_WITHIN_MS,
  );
});
