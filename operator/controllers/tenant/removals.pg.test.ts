import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { FolderSource } from "../../source/folder-source.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

let folder: string;
let rig: ControllerRig<FolderSource>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-removals-"));
  await mkdir(join(folder, "broken"));
  await write("acme.yaml", tenant("Retain"));
  await write("web.yaml", POLICY);
  rig = await ControllerRig.open(
    new FolderSource({ folder, quietMs: 10, onProblems: () => {}, onError: (error) => expect(error).toBeUndefined() }),
  );
  await rig.source.start();
});
afterEach(async () => {
  await rig.source.stop();
  await rig.end();
  await rm(folder, { recursive: true, force: true });
});

const tenant = (reclaimPolicy: string) => `apiVersion: heauth.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec: {audiences: [shop], allowedNamespaces: {from: All}, reclaimPolicy: ${reclaimPolicy}}
`;
const POLICY = `apiVersion: heauth.io/v1alpha1
kind: AuthPolicy
metadata: {name: web, namespace: shop}
spec: {tenantRef: {name: acme}, selector: {matchLabels: {app: web}}, ports: [{port: 8080, protocol: HTTP}]}
`;
/** Whoever reads it meanwhile sees the former one or this one, never half of it. */
const write = async (name: string, text: string) => {
  await writeFile(join(folder, `${name}.new`), text);
  await rename(join(folder, `${name}.new`), join(folder, name));
};
const told = (key: { kind: string }) =>
  new Promise<void>((resolve) => {
    const end = rig.source.onChange((changed) => {
      if (changed.kind !== key.kind) return;
      end();
      resolve();
    });
  });
const change = async (name: string, text: string | undefined, key: { kind: string } = ACME) => {
  const happened = told(key);
  await (text === undefined ? rm(join(folder, name)) : write(name, text));
  await happened;
};
const open = async () => (await rig.rows("SELECT FROM session WHERE closed_at IS NULL")).length;
const tenants = () =>
  rig.rows<{ id: string; deleted: boolean }>("SELECT id, deleted_at IS NOT NULL AS deleted FROM tenant");

async function lived(reclaim: "Retain" | "Delete"): Promise<string> {
  if (reclaim === "Delete") await change("acme.yaml", tenant("Delete"));
  await rig.settle();
  const id = (await tenants())[0]?.id ?? "";
  await rig.session(id);
  return id;
}

/** Reconciles as often as it asks for. */
async function patiently(): Promise<void> {
  for (;;) {
    const { requeue } = await rig.reconcile(ACME);
    if (requeue === undefined) return;
    await new Promise((wait) => setTimeout(wait, requeue.requeueAfterMs));
  }
}

test("a Tenant's file that is gone for a moment only takes nothing away", async () => {
  const id = await lived("Delete");
  await change("acme.yaml", undefined);
  expect(await rig.reconcile(ACME)).toMatchObject({ requeue: { requeueAfterMs: expect.any(Number) } });
  await change("acme.yaml", tenant("Delete"));
  await patiently();
  expect([await tenants(), await open()]).toEqual([[{ id, deleted: false }], 1]);
});

test("one that stays away ends its sessions, keeps its data, and is the same tenant when it comes back", async () => {
  const id = await lived("Retain");
  await change("acme.yaml", undefined);
  await patiently();
  expect([await tenants(), await open()]).toEqual([[{ id, deleted: true }], 0]);
  await rig.settle();
  expect(rig.status.word(WEB, "ResolvedRefs")).toBe("False TenantNotFound");
  await change("acme.yaml", tenant("Retain"));
  await rig.settle();
  expect([await tenants(), rig.status.word(WEB, "ResolvedRefs")]).toEqual([
    [{ id, deleted: false }],
    "True ResolvedRefs",
  ]);
});

test("with Delete its removal deletes the data, its anchor too; when it comes back, it is another tenant", async () => {
  const id = await lived("Delete");
  rig.anchors.notes.set(id, "anchor");
  await change("acme.yaml", undefined);
  await patiently();
  expect([await tenants(), await rig.rows("SELECT FROM segment"), rig.anchors.notes.size]).toEqual([[], [], 0]);
  await change("acme.yaml", tenant("Delete"));
  await rig.settle();
  const [now] = await tenants();
  expect([now?.deleted, now?.id === id]).toEqual([false, false]);
});

test("with Delete, but removed while nobody looked, the data is retained: the folder may be the wrong one", async () => {
  const id = await lived("Delete");
  await change("acme.yaml", undefined);
  rig.restart();
  await patiently();
  expect([await tenants(), await open()]).toEqual([[{ id, deleted: true }], 0]);
  rig.restart();
  await rig.settle();
  expect(await tenants()).toEqual([{ id, deleted: true }]);
});

test.each([
  ["emptied", ""],
  ["no YAML any more", "spec: [1, 2"],
  ["without its kind", tenant("Delete").replace("kind: Tenant", "kind: Tennant")],
  ["without its name", tenant("Delete").replace("{name: acme}", "{}")],
])("a file that is %s counts as removed neither while it is seen nor at a start", async (_, text) => {
  const id = await lived("Delete");
  await change("acme.yaml", text);
  await patiently();
  expect([await tenants(), await open()]).toEqual([[{ id, deleted: false }], 1]);
  // Another process, which never saw it whole.
  await rig.source.stop();
  const next = new FolderSource({ folder, quietMs: 10, onProblems: () => {}, onError: () => {} });
  await next.start();
  rig.restart({ source: next });
  expect(await rig.reconcile(ACME)).toMatchObject({ requeue: { requeueAfterMs: 5_000 } });
  expect([await tenants(), await open()]).toEqual([[{ id, deleted: false }], 1]);
  await next.stop();
});
