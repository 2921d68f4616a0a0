import type { KubeObject } from "@heauth/program/kubernetes";
import { type Secret, tenantLabel } from "../secret.ts";

/** core/v1 Secret: values in base64. */
export interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function keptSecret({ metadata, data = {} }: SecretObject): Secret {
  const values = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")] as const);
  return {
    name: metadata.name ?? "",
    tenant: metadata.labels?.[tenantLabel] || undefined,
    data: new Map(values),
  };
}
