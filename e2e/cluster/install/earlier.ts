import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";
import { buildEarlierHeauth, type Images } from "./images.ts";
import { CHART, ensureNamespace, NAMESPACE, PROGRAMS, untilAvailable, valuesOf } from "./install.ts";

const run = promisify(execFile);
const EARLIER_CHART = join(import.meta.dirname, "../fixtures/heauth-0.1.0.tgz");
const HEAUTH = join(import.meta.dirname, "../../../cli/main.ts");
const inNamespace = `--namespace=${NAMESPACE}`;

/** An installation of the earlier version. */
export interface Earlier {
  /** A pod for administrators, which its chart did not have yet: takes it away, so that the chart's own can come. */
  removeCli(): Promise<void>;
}

/** Installs version 0.1.0 as its notes told: the keys and the hub's certificate are made by hand. Answers when all of it works. */
export async function installEarlier(cluster: Cluster, images: Images): Promise<Earlier> {
  const values = valuesOf({ ...images, heauth: await buildEarlierHeauth(cluster) });
  await ensureNamespace(cluster);
  await createKeys(cluster);
  const known = ["image", "postgres", "migrate", ...PROGRAMS];
  const given = JSON.stringify(Object.fromEntries(known.map((name) => [name, values[name]])));
  await must(cluster.helm(["install", "heauth", EARLIER_CHART, inNamespace, "--values=-"], given));
  await settle(cluster);
  const only = ["--kube-version=1.34", "--show-only=templates/cli.yaml"];
  const template = ["template", "heauth", CHART, inNamespace, ...only, "--values=-"];
  const cli = await must(cluster.helm(template, JSON.stringify(values)));
  await must(cluster.kubectl(["apply", "--filename=-"], cli));
  await untilAvailable(cluster, ["cli"]);
  return {
    removeCli: async () => {
      await must(cluster.kubectl(["delete", "--filename=-"], cli));
    },
  };
}

/** As `helm rollback`; answers when all of it works. */
export async function rollBackToEarlier(cluster: Cluster): Promise<void> {
  await must(cluster.helm(["rollback", "heauth", "1", inNamespace]));
  await settle(cluster);
}

/** Programs of then could hang for good where they had waited for their database: they are started anew when it is there. */
async function settle(cluster: Cluster): Promise<void> {
  await untilAvailable(cluster, []);
  const migrated = ["--selector=app.kubernetes.io/component=migrate", "--for=condition=Complete", "--timeout=240s"];
  await must(cluster.kubectl([inNamespace, "wait", "jobs", ...migrated]));
  await must(cluster.kubectl([inNamespace, "rollout", "restart", "deployments"]));
  await untilAvailable(cluster, PROGRAMS);
}

async function createKeys(cluster: Cluster): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-keys-"));
  const create = (...args: string[]) => must(cluster.kubectl([inNamespace, "create", ...args]));
  const from = (name: string) => `--from-file=${join(folder, "keys", name)}`;
  const key = join(folder, "tls.key");
  const cert = join(folder, "tls.crt");
  const ofHub = ["-subj", "/CN=heauth-hub", "-addext", `subjectAltName=DNS:heauth-hub.${NAMESPACE}.svc`];
  try {
    await run(process.execPath, [HEAUTH, "keys", "create", join(folder, "keys")]);
    await create("secret", "generic", "heauth-keys-identity", from("identity.json"), from("server-secrets.json"));
    for (const name of ["hub", "operator", "cli"]) {
      await create("secret", "generic", `heauth-keys-${name}`, from(`${name}.json`));
    }
    await create("configmap", "heauth-ledger-keys", from("ledger-keys.json"));
    const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365"];
    await run("openssl", ["req", "-x509", ...p256, ...ofHub, "-keyout", key, "-out", cert]);
    await create("secret", "tls", "heauth-hub-tls", `--cert=${cert}`, `--key=${key}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
