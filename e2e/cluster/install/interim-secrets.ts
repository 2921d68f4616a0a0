import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";

const run = promisify(execFile);
const CLI = join(import.meta.dirname, "../../../cli/main.ts");

/** The programs' keys and the hub's certificate, by hand. */
export async function createSecrets(cluster: Cluster, namespace: string): Promise<void> {
  const there = await must(
    cluster.kubectl(["-n", namespace, "get", "configmap", "heauth-ledger-keys", "--ignore-not-found", "-o", "name"]),
  );
  if (there !== "") return;
  const folder = await mkdtemp(join(tmpdir(), "heauth-keys-"));
  const create = (...args: string[]) => must(cluster.kubectl(["-n", namespace, "create", ...args]));
  const file = (name: string) => `--from-file=${join(folder, name)}`;
  try {
    await run(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, "keys", "create", join(folder)]);
    await create("secret", "generic", "heauth-keys-identity", file("identity.json"), file("server-secrets.json"));
    await create("secret", "generic", "heauth-keys-hub", file("hub.json"));
    await create("secret", "generic", "heauth-keys-operator", file("operator.json"));
    await create("secret", "generic", "heauth-keys-cli", file("cli.json"));
    const [key, cert] = [join(folder, "tls.key"), join(folder, "tls.crt")];
    const name = `subjectAltName=DNS:heauth-hub.${namespace}.svc`;
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    await run("openssl", [
      ...["req", "-x509", ...ec, "-subj", "/CN=heauth-hub", "-addext", name],
      ...["-keyout", key, "-out", cert],
    ]);
    await create("secret", "tls", "heauth-hub-tls", `--cert=${cert}`, `--key=${key}`);
    await create("configmap", "heauth-ledger-keys", file("ledger-keys.json"));
  } finally {
    await rm(folder, { recursive: true });
  }
}
