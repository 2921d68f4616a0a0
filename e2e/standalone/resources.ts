import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A spec as it stands in a resource file. */
export type Spec = Record<string, unknown>;

/** Of the signing secret that every tenant's receiver has. */
export const SIGNING_SECRET = "whsec_ZTJlLW9ubHktc2lnbmluZy1zZWNyZXQtMDEyMzQ1Njc=";

/** A tenant with two apps; every namespace may use it, and its alerts go to the rig's receiver. */
export function tenantSpec(name: string, receiverUrl: string, more: Spec = {}): Spec {
  const webhook = { url: receiverUrl, signingSecretRef: { name: `signing-${name}`, key: "secret" } };
  return {
    audiences: ["clinic", "lab"],
    allowedNamespaces: { from: "All" },
    sessions: { maxPerUser: 500 },
    alerts: { receivers: [{ name: "security", webhook }] },
    ...more,
  };
}

/** The clinic's rules: everybody reads the health page, any session reads patients, doctors write them, the rest is denied. */
export function policySpec(tenant: string, more: Spec = {}): Spec {
  const patients = { type: "PathPrefix", value: "/patients" };
  return {
    tenantRef: { name: tenant },
    selector: { matchLabels: { app: "clinic" } },
    ports: [{ port: 8080, protocol: "HTTP" }],
    authentication: { audiences: ["clinic"] },
    rules: [
      { name: "health", match: [{ path: { type: "Exact", value: "/healthz" }, methods: ["GET"] }], access: "Public" },
      {
        name: "read-patient",
        match: [{ path: patients, methods: ["GET", "HEAD"] }],
        access: "Authenticated",
        action: "patient.read",
      },
      {
        name: "write-patient",
        match: [{ path: patients }],
        access: "Roles",
        roles: ["doctor"],
        action: "patient.write",
      },
    ],
    defaultAction: "Deny",
    ...more,
  };
}

/** Writes the files of `--resources`. JSON is YAML. Names of policies are NAMESPACE/NAME. */
export async function writeResources(
  folder: string,
  tenants: Readonly<Record<string, Spec>>,
  policies: Readonly<Record<string, Spec>>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const apiVersion = "heauth.io/v1alpha1";
  for (const [name, spec] of Object.entries(tenants)) {
    await write(`tenant-${name}`, { apiVersion, kind: "Tenant", metadata: { name }, spec });
    // A Secret is read only for the tenant whose label it carries.
    const metadata = { name: `signing-${name}`, labels: { "heauth.io/tenant": name } };
    const stringData = { secret: SIGNING_SECRET };
    await write(`secret-${name}`, { apiVersion: "v1", kind: "Secret", metadata, stringData });
  }
  for (const [policy, spec] of Object.entries(policies)) {
    const [namespace = "", name = ""] = policy.split("/");
    await write(`policy-${namespace}-${name}`, { apiVersion, kind: "AuthPolicy", metadata: { namespace, name }, spec });
  }

  async function write(file: string, resource: unknown): Promise<void> {
    await writeFile(join(folder, `${file}.yaml`), JSON.stringify(resource, null, 2));
  }
}
