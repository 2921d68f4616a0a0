import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CONFIG_MAPS, type KubeObject, TENANTS } from "@heauth/program/kubernetes";
import { expect } from "@jest/globals";
import { runVerify } from "heauth/parts";
import { type OperatorRig, RELEASE_NAMESPACE, type Resource } from "../operator-rig.ts";

interface Anchor {
  readonly tenant: string;
  readonly note: string;
}

/** Every tenant's anchor, where it is: in its resource's status, or kept where it has none. */
async function anchors({ api, store }: OperatorRig): Promise<Anchor[]> {
  const { items } = await api.client.list<KubeObject>(TENANTS, {});
  const live = items.map((item) => ({
    tenant: item.metadata.name ?? "",
    note: (item as unknown as Resource).status?.ledger?.note ?? "",
  }));
  const retained = await store.superuser.query<{ id: string; name: string }>(
    "SELECT id, name FROM tenant WHERE deleted_at IS NOT NULL",
  );
  const kept = retained.map(async ({ id, name }) => {
    const place = { namespace: RELEASE_NAMESPACE, name: `heauth-anchor-${id}` };
    const { data } = await api.client.get<KubeObject & { data: { checkpoint: string } }>(CONFIG_MAPS, place);
    return { tenant: name, note: data.checkpoint };
  });
  // A log that has nothing in it yet has no anchor.
  return [...live, ...(await Promise.all(kept))].filter(({ note }) => note !== "");
}

/** Expects the ledger of every tenant to be intact, as `heauth ledger verify` says, and to go on from its anchor. @returns how many */
export async function expectIntactLedgers(rig: OperatorRig): Promise<number> {
  const all = await anchors(rig);
  for (const { tenant, note } of all) {
    const against = join(rig.api.folder, "anchor");
    await writeFile(against, note);
    let said = "";
    const code = await runVerify(
      { tenant, database: rig.store.url, keys: join(rig.keys, "ledger-keys.json"), against, requireAnchor: true },
      { out: { write: (text) => (said += text) }, err: { write: () => undefined } },
    );
    expect({ tenant, code, said }).toEqual({
      tenant,
      code: 0,
      said: expect.stringMatching(/^intact: [^\n]* goes on from the anchor\n/),
    });
  }
  return all.length;
}
