import { apiVersionOf, isClusterError, type KubeObject, TENANTS } from "@heauth/program/kubernetes";
import type { OperatorRig, Resource } from "../operator-rig.ts";
import { tenantObject } from "./objects.ts";

type Ledger = NonNullable<NonNullable<Resource["status"]>["ledger"]>;

export interface AnchorAttempt {
  readonly what: string;
  /** Rejects with what the API server said where that refuses it. */
  readonly run: () => Promise<unknown>;
}

/**
 * What the cluster's administrator may try to make a Tenant's anchor say less than it did: through its status, which the API server
 * refuses, and through the resource itself, where a status has no effect. `earlier`: an anchor that it has had.
 */
export function anchorAttempts(
  { api, kubectl }: OperatorRig,
  name: string,
  tenantId: string,
  earlier: Ledger,
): { readonly refused: readonly AnchorAttempt[]; readonly ineffective: readonly AnchorAttempt[] } {
  const { client } = api;
  const back = { tenantId, ledger: { ...earlier, size: earlier.size - 1 } };
  const away = { ledger: null };
  const without = tenantObject(name, {}, {});
  const statusOnly = (status: object) => ({
    apiVersion: apiVersionOf(TENANTS),
    kind: TENANTS.kind,
    metadata: { name },
    status,
  });

  const patch = (body: unknown, ...flags: readonly string[]) =>
    kubectl(
      "patch",
      "tenant",
      name,
      `--type=${Array.isArray(body) ? "json" : "merge"}`,
      "-p",
      JSON.stringify(body),
      ...flags,
    );
  async function apply(body: object, ...flags: readonly string[]): Promise<void> {
    const args = ["apply", "--server-side", "--force-conflicts", "--field-manager=heauth-seal", ...flags, "-f", "-"];
    const { code, stderr } = await api.kubectl(args, JSON.stringify(body));
    if (code !== 0) throw new Error(stderr);
  }
  async function replace(status: object | undefined, place?: { readonly subresource: "status" }): Promise<void> {
    for (;;) {
      const { status: _, ...live } = await client.get<KubeObject & Resource>(TENANTS, { name });
      try {
        await client.replace(TENANTS, { ...live, ...(status && { status }) } as KubeObject, place);
        return;
      } catch (error) {
        // The operator has written between the two.
        if (!isClusterError(error, "Conflict")) throw error;
      }
    }
  }
  const status = "--subresource=status";
  const toStatus = { subresource: "status" } as const;
  const asSealer = { fieldManager: "heauth-seal", ...toStatus };

  return {
    refused: [
      { what: "kubectl patch, back", run: () => patch({ status: back }, status) },
      { what: "kubectl patch, away", run: () => patch({ status: away }, status) },
      { what: "kubectl patch, the whole status away", run: () => patch({ status: null }, status) },
      { what: "kubectl patch of JSON, away", run: () => patch([{ op: "remove", path: "/status/ledger" }], status) },
      { what: "kubectl apply as the sealer, back", run: () => apply(statusOnly(back), status) },
      { what: "kubectl apply as the sealer, without", run: () => apply(statusOnly({ tenantId }), status) },
      { what: "replace, back", run: () => replace(back, toStatus) },
      { what: "replace, without", run: () => replace(undefined, toStatus) },
      { what: "patch, away", run: () => client.patch(TENANTS, { name }, { status: away }, toStatus) },
      { what: "apply as the sealer, back", run: () => client.apply(TENANTS, statusOnly(back), asSealer) },
    ],
    ineffective: [
      { what: "kubectl patch, back", run: () => patch({ status: back }) },
      { what: "kubectl patch, away", run: () => patch({ status: null }) },
      { what: "kubectl apply, back", run: () => apply({ ...without, status: back }) },
      { what: "kubectl apply, without", run: () => apply(without) },
      { what: "replace, back", run: () => replace(back) },
      { what: "replace, without", run: () => replace(undefined) },
      { what: "patch, away", run: () => client.patch(TENANTS, { name }, { status: away }) },
    ],
  };
}
