import { EVENTS, type KubeObject } from "@heauth/program/kubernetes";
import { expect } from "@jest/globals";
import type { OperatorRig } from "../operator-rig.ts";
import { expectIntactLedgers } from "./intact.ts";

/** events.k8s.io/v1 */
interface Event extends KubeObject {
  readonly regarding?: {
    readonly kind?: string;
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
  };
  readonly reason?: string;
  readonly note?: string;
  readonly reportingInstance?: string;
}

/** Expects of all tenants and policies that database and API server have the same, each once, and that every ledger is intact. */
export async function expectNothingLost(rig: OperatorRig): Promise<void> {
  const named = async (what: string) => {
    const { items } = JSON.parse(await rig.kubectl("get", what, "-A", "-o", "json")) as { items: KubeObject[] };
    return items.map(({ metadata: { namespace = "", name } }) => `${namespace}/${name}`).toSorted();
  };
  const rows = async (sql: string) =>
    (await rig.store.superuser.query<{ name: string }>(sql)).map(({ name }) => name).toSorted();
  expect(await rows("SELECT '/' || name AS name FROM tenant WHERE deleted_at IS NULL")).toEqual(await named("tenants"));
  expect(await rows("SELECT namespace || '/' || name AS name FROM policy")).toEqual(await named("authpolicies"));
  expect(await doubledEvents(rig)).toEqual([]);
  await expectIntactLedgers(rig);
}

/** What one process said twice of the same version of things, with nothing else in between. */
async function doubledEvents(rig: OperatorRig): Promise<string[]> {
  const { items } = await rig.api.client.list<Event>(EVENTS, {});
  const texts = items.map(({ regarding, reason, note, reportingInstance }) =>
    JSON.stringify([regarding?.uid, reason, note, reportingInstance]),
  );
  return texts.filter((text, index) => texts.indexOf(text) !== index);
}
