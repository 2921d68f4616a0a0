import type { AuditEvent } from "../audit.ts";
import type { OperatorRig } from "../operator-rig.ts";

/** How many events there are: `operatorCalls` leaves them out. */
export async function auditedSoFar({ api }: OperatorRig): Promise<number> {
  return (await api.audit()).length;
}

/** What the API server was asked by the operator's account, after the first `from` events of its log. */
export async function operatorCalls({ api, account }: OperatorRig, from = 0): Promise<AuditEvent[]> {
  if (account === "admin") throw new Error("the operator has an account of its own");
  const name = `system:serviceaccount:${account.namespace}:${account.serviceAccount}`;
  return (await api.audit()).slice(from).filter(({ user }) => user.username === name);
}

/** Each kind of call once, as `patch tenants/status`, with how often it was made. */
export function countCalls(calls: readonly AuditEvent[]): Readonly<Record<string, number>> {
  const names = calls.map(({ verb, objectRef: { resource = "", subresource } = {} }) =>
    [verb, subresource === undefined ? resource : `${resource}/${subresource}`].join(" "),
  );
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

/** Calls that are made though nothing happens: of the Lease, and to follow what there is. */
export function isIdleCall({ verb, objectRef }: AuditEvent): boolean {
  return verb === "watch" || objectRef?.resource === "leases";
}
