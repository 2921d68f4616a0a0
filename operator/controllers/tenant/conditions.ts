import type { Tenant as TenantResource } from "@heauth/core/resources";
import type { TenantTrouble } from "@heauth/store";
import { OperatorError } from "../../errors.ts";
import { parseSigningSecret } from "../../jobs/deliver-alerts/webhook.ts";
import type { ResourceSource, SecretKeyRef } from "../../source/source.ts";
import { type Condition, condition } from "../../status/condition.ts";

export function readiness(id: string | undefined): Condition {
  if (id !== undefined) return condition("Ready", "True", "Ready");
  return condition("Ready", "False", "NotCreated", "the tenant is paused and was never created");
}

export function sealing(halted: TenantTrouble["halted"]): Condition {
  if (halted === null) return condition("LedgerSealed", "True", "Sealed");
  return condition("LedgerSealed", "False", "Halted", halted);
}

/** Whether everybody who is to be told of alerts can be. A tenant without receivers has nobody who could not. */
export function alertsDelivering(
  resource: TenantResource,
  source: Pick<ResourceSource, "secret">,
  failing: TenantTrouble["failing"],
): Condition {
  const receivers = resource.spec.alerts.receivers.flatMap(({ name, webhook }) =>
    webhook === undefined ? [] : [{ name, ref: webhook.signingSecretRef }],
  );
  if (receivers.length === 0)
    return condition("AlertsDelivering", "True", "NoReceivers", "nobody is to be told of alerts");
  const unusable = receivers.flatMap(({ name, ref }) => {
    const why = secretProblem(source, resource.metadata.name, ref);
    return why === undefined ? [] : [`receiver ${name}: ${why}`];
  });
  if (unusable.length > 0) return condition("AlertsDelivering", "False", "SecretUnusable", unusable.join("; "));
  const down = failing.filter(({ receiver }) => receivers.some(({ name }) => name === receiver));
  if (down.length === 0) return condition("AlertsDelivering", "True", "Delivering");
  const message = down.map(({ receiver, error }) => `receiver ${receiver}: ${error}`).join("; ");
  return condition("AlertsDelivering", "False", "DeliveryFailing", message);
}

/** Why a signing secret can't be used; never its value. */
function secretProblem(source: Pick<ResourceSource, "secret">, tenant: string, ref: SecretKeyRef): string | undefined {
  const reading = source.secret(tenant, ref);
  if (reading.ok) return valueProblem(reading.value, ref);
  switch (reading.reason) {
    case "NotFound":
      return `there is no Secret ${ref.name}`;
    case "NotForTenant":
      return `Secret ${ref.name} does not have the label heauth.io/tenant: ${tenant}`;
    case "NoSuchKey":
      return `Secret ${ref.name} has no key ${ref.key}`;
  }
}

function valueProblem(value: Uint8Array, ref: SecretKeyRef): string | undefined {
  try {
    parseSigningSecret(Buffer.from(value).toString());
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return `key ${ref.key} of Secret ${ref.name} is no signing secret`;
  }
}
