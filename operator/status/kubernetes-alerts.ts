import { apiVersionOf } from "@heauth/program/kubernetes";
import type { RaisedAlert } from "@heauth/store";
import type { AlertTeller } from "../jobs/tell-alerts/tell-alerts.ts";
import type { Events, EventText, Regarding } from "../runtime/events.ts";
import type { KeptResource } from "../source/kubernetes/kept-resource.ts";
import type { ResourceKey } from "../source/source.ts";
import { RESOURCE_TYPES } from "./apply-status.ts";

export interface KubernetesAlertsOptions {
  /** The resource as it was last seen; undefined when there is none. */
  readonly kept: (key: ResourceKey) => KeptResource | undefined;
  readonly events: Pick<Events, "record">;
}

/**
 * Tells of alerts by events: of the AuthPolicy of the pod where it happened, else of the Tenant. Anybody who may read events reads them,
 * so they name the record and nothing of a person.
 */
export function createKubernetesAlerts({ kept, events }: KubernetesAlertsOptions): AlertTeller {
  function record(alert: RaisedAlert, text: Pick<EventText, "reason" | "note">): void {
    const regarding = subjectOf(alert, kept);
    if (regarding !== undefined) events.record(regarding, { type: "Warning", action: "RaiseAlert", ...text });
  }
  return {
    tell: (alert) => record(alert, { reason: alert.reason, note: noteOf(alert) }),
    tellOmitted(alert, { most, windowMs }) {
      const note = `more than ${most} alerts within ${windowMs / 60_000} minutes: the tenant's receivers hear of all`;
      record(alert, { reason: "AlertsOmitted", note });
    },
  };
}

function subjectOf(alert: RaisedAlert, kept: KubernetesAlertsOptions["kept"]): Regarding | undefined {
  const { tenantName, namespace, policy } = alert;
  const tenant: ResourceKey = { kind: "Tenant", namespace: "", name: tenantName };
  const keys: ResourceKey[] =
    namespace === null || policy === null ? [tenant] : [{ kind: "AuthPolicy", namespace, name: policy }, tenant];
  for (const key of keys) {
    const resource = kept(key);
    if (resource === undefined) continue;
    const { uid } = resource.meta;
    return { apiVersion: apiVersionOf(RESOURCE_TYPES[key.kind]), ...key, ...(uid && { uid }) };
  }
  return undefined;
}

function noteOf({ id, recordId, pod, rule }: RaisedAlert): string {
  const parts = [
    recordId === null ? `alert ${id}` : `record ${recordId}`,
    ...(pod === null ? [] : [`pod ${pod}`]),
    ...(rule === null ? [] : [`rule ${rule}`]),
  ];
  return `${parts.join(", ")}: the ledger and the tenant's receivers have the rest`;
}
