import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";

const run = promisify(execFile);

/** The hub's certificate, by hand. */
export async function createCertificate({ kubectl }: Cluster, namespace: string): Promise<void> {
  const inNamespace = (...args: string[]) => must(kubectl([`--namespace=${namespace}`, ...args]));
  if ((await inNamespace("get", "secret", "heauth-hub-tls", "--ignore-not-found", "-o", "name")) !== "") return;
  const folder = await mkdtemp(join(tmpdir(), "heauth-certificate-"));
  const [key, cert] = [join(folder, "tls.key"), join(folder, "tls.crt")];
  try {
    await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"],
      ...["-subj", "/CN=heauth-hub", "-addext", `subjectAltName=DNS:heauth-hub.${namespace}.svc`],
      ...["-keyout", key, "-out", cert],
    ]);
    await inNamespace("create", "secret", "tls", "heauth-hub-tls", `--cert=${cert}`, `--key=${key}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
