import { fieldProblem } from "@heauth/core/resources";
import * as z from "zod";
import type { SecretKeyRef, SecretReading } from "./source.ts";

/** The label that says which tenant may use a Secret. */
export const tenantLabel = "heauth.io/tenant";

const base64 = z.string().regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);

/** A Kubernetes label's value. */
export const labelValue = z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/);

/** A core/v1 Secret as it may stand in a folder: heauth's own, so without a namespace. */
const secretSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Secret"),
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.undefined().optional(),
    labels: z.record(z.string(), labelValue).optional(),
  }),
  type: z.string().optional(),
  immutable: z.boolean().optional(),
  data: z.record(z.string(), base64).optional(),
  stringData: z.record(z.string(), z.string()).optional(),
});

export interface Secret {
  readonly name: string;
  /** Undefined: nobody may use it. */
  readonly tenant: string | undefined;
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/** Reads a Secret. Problems never hold a value. */
export function readSecretDocument(document: unknown) {
  const parsed = secretSchema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, code }) =>
      fieldProblem("Invalid", path, undefined, `a v1 Secret without a namespace (${code})`),
    );
    return { ok: false, problems } as const;
  }
  const { metadata, data = {}, stringData = {} } = parsed.data;
  const secret: Secret = {
    name: metadata.name,
    tenant: metadata.labels?.[tenantLabel] || undefined,
    data: new Map([
      ...Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")] as const),
      ...Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value)] as const),
    ]),
  };
  return { ok: true, resource: secret } as const;
}

/** Looks a value up for a tenant: a Secret of another tenant's, or of nobody's, is never read. */
export function lookUpSecret(secret: Secret | undefined, tenant: string, ref: SecretKeyRef): SecretReading {
  if (secret === undefined) return { ok: false, reason: "NotFound" };
  if (secret.tenant !== tenant) return { ok: false, reason: "NotForTenant" };
  const value = secret.data.get(ref.key);
  return value === undefined ? { ok: false, reason: "NoSuchKey" } : { ok: true, value };
}
