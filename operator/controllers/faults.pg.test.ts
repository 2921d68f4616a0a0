import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { ResourceKey } from "../source/source.ts";
import { ControllerRig } from "./testing/controller-rig.ts";
import { Ended, FaultyCluster } from "./testing/faults.ts";

let rig: ControllerRig<FaultyCluster>;
beforeAll(async () => {
  rig = await ControllerRig.open(new FaultyCluster());
});
afterAll(() => rig.end());

/** A tenant and a policy of their own for each attempt. */
class Attempt {
  readonly name: string;
  readonly tenant: ResourceKey;
  readonly policy: ResourceKey;
  id = "";

  constructor(name: string) {
    this.name = name;
    this.tenant = { kind: "Tenant", namespace: "", name };
    this.policy = { kind: "AuthPolicy", namespace: name, name: "web" };
  }

  putTenant(spec: object = {}, annotations: Record<string, string> = {}): void {
    rig.tenant(spec, { name: this.name, annotations });
  }

  putPolicy(spec: object = {}): void {
    rig.policy({ tenantRef: { name: this.name }, ...spec }, { name: "web", namespace: this.name });
  }

  /** Everything as it is to be, and nothing fails. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await rig.reconcile(this.tenant);
      await rig.reconcile(this.policy);
    }
  }

  async live(spec: object = {}): Promise<void> {
    this.putTenant(spec);
    this.putPolicy();
    await this.settle();
    this.id = rig.status.of(this.tenant)?.tenantId ?? "";
    await rig.session(this.id);
    rig.anchors.notes.set(this.id, "anchor");
  }

  /** All that may be seen of it, without what differs from attempt to attempt. */
  async seen(): Promise<unknown> {
    const [row] = await rig.rows<{ id: string }>("SELECT id FROM tenant WHERE name = $1", this.name);
    const ids = [this.id, row?.id ?? ""].filter((id) => id !== "");
    const of = (sql: string) => rig.rows(sql, ids);
    const everything = {
      tenants: await of(
        "SELECT id, deleted_at IS NOT NULL AS deleted, reclaim_policy, resource_uid, settings FROM tenant WHERE id = ANY ($1) ORDER BY id",
      ),
      tagKeys: await of("SELECT tenant_id FROM tag_key WHERE tenant_id = ANY ($1)"),
      policies: await of(
        "SELECT tenant_id, selector, convert_from(compiled, 'UTF8')::json #>> '{mode}' AS mode FROM policy WHERE tenant_id = ANY ($1)",
      ),
      sessions: await of("SELECT tenant_id, close_reason FROM session WHERE tenant_id = ANY ($1)"),
      keys: await of("SELECT tenant_id FROM session_key WHERE tenant_id = ANY ($1)"),
      events: await of(
        "SELECT tenant_id, kind, count(*) FROM outbox WHERE tenant_id = ANY ($1) GROUP BY 1, 2 ORDER BY 1, 2",
      ),
      records: await of(
        `SELECT tenant_id, type, count(*) FROM audit_record WHERE tenant_id = ANY ($1) AND type NOT LIKE 'journal.%'
          GROUP BY 1, 2 ORDER BY 1, 2`,
      ),
      anchors: [ids.map((id) => rig.anchors.notes.get(id)), ids.map((id) => rig.anchors.kept.get(id))],
      tenant: rig.source.get("Tenant", "", this.name)?.meta,
      statuses: [this.tenant, this.policy].map((key) => {
        const { policyDigest, ...said } = rig.status.of(key) ?? { conditions: [] };
        return { ...said, inForce: policyDigest !== undefined };
      }),
    };
    const uid = rig.source.get("Tenant", "", this.name)?.meta.uid;
    let text = JSON.stringify(everything).replaceAll(this.name, "<name>");
    if (uid !== undefined) text = text.replaceAll(`"${uid}"`, '"<uid>"');
    text = text.replaceAll(/"uid-\d+"/g, '"<earlier uid>"').replaceAll(/"createdAtMs":\d+/g, '"createdAtMs":0');
    if (this.id !== "") text = text.replaceAll(this.id, "<id>");
    if (row !== undefined) text = text.replaceAll(row.id, "<new id>");
    return JSON.parse(text);
  }
}

const scenarios: [string, (it: Attempt) => Promise<void>, (it: Attempt) => void][] = [
  [
    "made",
    async () => {},
    (it) => {
      it.putTenant();
      it.putPolicy();
    },
  ],
  [
    "changed",
    (it) => it.live(),
    (it) => {
      it.putTenant({ sessions: { idleTimeout: "5m" }, reclaimPolicy: "Delete" });
      it.putPolicy({ mode: "Shadow", selector: { matchLabels: { app: "api" } } });
    },
  ],
  ["without its policy", (it) => it.live(), (it) => rig.source.delete(it.policy)],
  ["deleted, its data retained", (it) => it.live(), (it) => rig.source.delete(it.tenant)],
  ["deleted with its data", (it) => it.live({ reclaimPolicy: "Delete" }), (it) => rig.source.delete(it.tenant)],
  [
    "adopted",
    async (it) => {
      await it.live();
      rig.source.delete(it.tenant);
      await it.settle();
      rig.anchors.notes.delete(it.id);
    },
    (it) => it.putTenant({}, { "heauth.io/adopt": it.id }),
  ],
  [
    "made again while nobody looked",
    (it) => it.live(),
    (it) => {
      rig.source.remove(it.tenant);
      it.putTenant();
    },
  ],
  [
    "made again in place of one that was to be deleted",
    (it) => it.live({ reclaimPolicy: "Delete" }),
    (it) => {
      rig.source.remove(it.tenant);
      it.putTenant();
    },
  ],
];

test.each(scenarios)(
  "a process that ends anywhere while a tenant is %s leaves what the next one brings to the same end",
  async (name, prepare, act) => {
    const { faults } = rig.source;
    const letter = String.fromCharCode(97 + scenarios.findIndex(([each]) => each === name));
    /** @returns what is seen in the end, and the places that were passed */
    async function attempt(place: number | undefined): Promise<{ seen: unknown; ended: boolean; places: number }> {
      const it = new Attempt(`t${letter}${place ?? "x"}`);
      faults.begin();
      rig.restart();
      await prepare(it);
      act(it);
      rig.restart({
        database: faults.database(rig.operator),
        anchors: faults.anchors(rig.anchors),
        keeper: faults.keeper(rig.anchors.keeper),
        status: faults.status(rig.status),
      });
      faults.begin(place);
      const ended = await it.settle().then(
        () => false,
        (error: unknown) => {
          if (!(error instanceof Ended)) throw error;
          return true;
        },
      );
      const places = faults.passed;
      faults.begin();
      rig.restart();
      await it.settle();
      return { seen: await it.seen(), ended, places };
    }

    const { seen, places } = await attempt(undefined);
    expect(places).toBeGreaterThan(6);
    for (let place = 1; place <= places; place++) {
      expect({ place, ...(await attempt(place)) }).toEqual({ place, seen, ended: true, places: place });
    }
  },
  120_000,
);
