import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "@heauth/program";
import { freePort } from "heauth/parts";
import type { Authority, CertificateUse } from "./certificates.ts";
import { untilAnswered } from "./json-request.ts";
import { createServer, flagsOf, type ServerProcess } from "./process.ts";

export interface ServerPlace {
  readonly url: string;
  readonly folder: string;
  /** PEM file. */
  readonly caFile: string;
  readonly auditFile: string;
  /** Bearer token of a member of system:masters. */
  readonly adminToken: string;
  /** Signs the service accounts' tokens. */
  readonly accountsKeyFile: string;
  /** The kube-apiserver as it is to be started; another one each time, on the same port. */
  process(): Child;
}

/** Where a request's user, verb, object and address are written down; bodies are not. */
const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  omitManagedFields: true,
  rules: [{ level: "Metadata" }],
};

export interface ServerWish {
  readonly etcdUrl: string;
  readonly auditLog: boolean;
  /** Where others reach it; 127.0.0.1 unless given. */
  readonly address?: string;
  /** More that its certificate names. */
  readonly use?: CertificateUse;
  /** Who may log in by a bearer token, beside the admin. */
  readonly users?: readonly { readonly name: string; readonly groups: readonly string[]; readonly token: string }[];
  /** Flags that come before ours; undefined takes one of ours away. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly supervision?: Pick<ServerProcess, "restart" | "pidFile">;
}

/** Prepares certificate, keys, tokens and flags of a kube-apiserver in the folder. */
export async function prepareServer(
  command: string,
  folder: string,
  authority: Authority,
  { etcdUrl, auditLog, address = "127.0.0.1", use = {}, users = [], flags: wished = {}, supervision = {} }: ServerWish,
): Promise<ServerPlace> {
  const secrets = join(folder, "keys");
  await mkdir(secrets, { mode: 0o700 });
  const file = (name: string, content: string) => writeFile(join(secrets, name), content, { mode: 0o600 });
  const adminToken = randomBytes(24).toString("base64url");
  const serving = await authority.issue("kube-apiserver", use);
  const accounts = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
  const caFile = join(folder, "ca.crt");
  const auditFile = join(folder, "audit.log");
  await Promise.all([
    writeFile(caFile, authority.certificate),
    file("tls.crt", serving.certificate),
    file("tls.key", serving.key),
    file("accounts.pub", accounts.publicKey),
    file("accounts.key", accounts.privateKey),
    file("tokens.csv", tokenLines([{ name: "admin", groups: ["system:masters"], token: adminToken }, ...users])),
    file("audit-policy.json", JSON.stringify(auditPolicy)),
  ]);

  const port = await freePort();
  const url = `https://${address}:${port}`;
  const flags: Readonly<Record<string, string | undefined>> = {
    "bind-address": address,
    "advertise-address": address,
    // Else it would write endpoints of its own address, which must not be loopback.
    "endpoint-reconciler-type": "none",
    "secure-port": String(port),
    "etcd-servers": etcdUrl,
    "cert-dir": secrets,
    "tls-cert-file": join(secrets, "tls.crt"),
    "tls-private-key-file": join(secrets, "tls.key"),
    "token-auth-file": join(secrets, "tokens.csv"),
    "authorization-mode": "Node,RBAC",
    "service-account-key-file": join(secrets, "accounts.pub"),
    "service-account-signing-key-file": join(secrets, "accounts.key"),
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-cluster-ip-range": "10.0.0.0/24",
    "allow-privileged": "true",
    // Pods are objects here: nobody makes the default service account that this plugin would ask for.
    "disable-admission-plugins": "ServiceAccount",
    "enable-priority-and-fairness": "false",
    "max-requests-inflight": "2000",
    "max-mutating-requests-inflight": "1000",
    "shutdown-delay-duration": "0s",
    ...(auditLog
      ? {
          "audit-policy-file": join(secrets, "audit-policy.json"),
          "audit-log-path": auditFile,
          "audit-log-mode": "blocking",
        }
      : {}),
    ...wished,
  };
  return {
    url,
    folder,
    caFile,
    auditFile,
    adminToken,
    accountsKeyFile: join(secrets, "accounts.key"),
    process: () =>
      createServer({
        name: "kube-apiserver",
        folder,
        command,
        ...supervision,
        args: () => flagsOf(flags),
        ready: async (_run, signal) => {
          await untilAnswered(
            { url: `${url}/readyz`, ca: authority.certificate, signal },
            ({ status }) => status === 200,
          );
        },
      }),
  };
}

function tokenLines(users: NonNullable<ServerWish["users"]>): string {
  return users.map(({ name, groups, token }) => `${token},${name},${name},"${groups.join(",")}"\n`).join("");
}
