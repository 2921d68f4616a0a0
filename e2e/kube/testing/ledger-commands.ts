import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { apiVersionOf, SERVICE_ACCOUNTS } from "@heauth/program/kubernetes";
import { loginUrl } from "@heauth/store/testing";
import { runHeauth } from "../../../examples/clinic/tour/standalone.ts";
import { type OperatorRig, RELEASE_NAMESPACE } from "../operator-rig.ts";

/** How `heauth …` ended, and what it wrote. */
export type Ran = Awaited<ReturnType<typeof runHeauth>>;

/** `heauth ledger …`, as somebody runs it who has the rights that it needs and no others. */
export interface LedgerCommands {
  /** With the login of an auditor of this tenant. */
  verify(tenant: string, ...more: readonly string[]): Promise<Ran>;
  /** The same, against the anchor in the cluster. */
  verifyAgainstKube(tenant: string, ...more: readonly string[]): Promise<Ran>;
  /** With a login that is a member of `heauth_recovery` and of nothing else. */
  recover(tenant: string, reason: string): Promise<Ran>;
  /** Removes the logins. */
  end(): Promise<void>;
}

const PERSON = "ledger-keeper";

export async function ledgerCommands(rig: OperatorRig): Promise<LedgerCommands> {
  const { api, store, keys } = rig;
  const id = randomBytes(4).toString("hex");
  const [auditor, recoverer] = [`auditor_${id}`, `recoverer_${id}`];
  for (const [login, role] of [
    [auditor, "heauth_auditor"],
    [recoverer, "heauth_recovery"],
  ] as const) {
    await store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD '${login}' IN ROLE ${role}`);
  }
  await api.client.create(SERVICE_ACCOUNTS, {
    apiVersion: apiVersionOf(SERVICE_ACCOUNTS),
    kind: SERVICE_ACCOUNTS.kind,
    metadata: { name: PERSON, namespace: RELEASE_NAMESPACE },
  });
  const to = `--serviceaccount=${RELEASE_NAMESPACE}:${PERSON}`;
  await rig.kubectl("create", "clusterrolebinding", PERSON, "--clusterrole=heauth-tenants-view", to);
  await rig.kubectl("create", "rolebinding", PERSON, "-n", RELEASE_NAMESPACE, "--role=heauth-anchors-view", to);
  const kubeconfig = await api.kubeconfig({ serviceAccount: PERSON, namespace: RELEASE_NAMESPACE });
  const pinned = join(keys, "ledger-keys.json");

  async function verify(tenant: string, ...more: readonly string[]): Promise<Ran> {
    // A database that was restored may not know of him yet.
    await store.superuser.query(
      `INSERT INTO auditor SELECT $1, id FROM tenant WHERE name = $2
       ON CONFLICT (login) DO UPDATE SET tenant_id = excluded.tenant_id`,
      [auditor, tenant],
    );
    const database = loginUrl(store.url, auditor, auditor);
    return await runHeauth(["ledger", "verify", "--tenant", tenant, "--database", database, "--keys", pinned, ...more]);
  }

  return {
    verify,
    verifyAgainstKube: (tenant, ...more) =>
      verify(tenant, "--against", "kube", "--kubeconfig", kubeconfig, "--require-anchor", ...more),
    recover: (tenant, reason) =>
      runHeauth([
        ...["ledger", "recover", "--yes", "--tenant", tenant, "--reason", reason],
        ...["--database", loginUrl(store.url, recoverer, recoverer)],
        ...["--program-key", join(keys, "cli.json"), "--ledger-keys", pinned, "--kubeconfig", kubeconfig],
      ]),
    async end() {
      await store.superuser.query("DELETE FROM auditor WHERE login = $1", [auditor]).catch(() => {});
      await store.superuser.query(`DROP ROLE IF EXISTS ${auditor}, ${recoverer}`).catch(() => {});
    },
  };
}
