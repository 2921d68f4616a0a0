import { AUTH_POLICIES, type ClusterClient, ClusterError, isClusterError, TENANTS } from "@heauth/program/kubernetes";
import { FINALIZER } from "../marks.ts";
import { type ResourceKey, resourceName } from "../source.ts";

const ATTEMPTS = 5;

/**
 * Puts our finalizer on a resource, or takes it off; others' stay. One that is gone has none: taking it off is then done, though there
 * may be another one of its name by now.
 * @throws ClusterError `NotFound` where it is to be put on what is gone; `Conflict` when others write all the time
 */
export async function writeFinalizer(
  client: ClusterClient,
  key: ResourceKey & { readonly uid: string | undefined },
  present: boolean,
): Promise<void> {
  const type = key.kind === "Tenant" ? TENANTS : AUTH_POLICIES;
  const name = key.namespace === "" ? { name: key.name } : { namespace: key.namespace, name: key.name };
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata } = await client.get(type, name);
      const { finalizers = [], resourceVersion, uid } = metadata;
      if (uid !== key.uid) throw new ClusterError("NotFound", `${resourceName(key)} is another one by now`);
      if (finalizers.includes(FINALIZER) === present) return;
      const wanted = present ? [...finalizers, FINALIZER] : finalizers.filter((each) => each !== FINALIZER);
      // The version makes it a compare-and-set: a list is replaced as a whole.
      await client.patch(type, name, { metadata: { resourceVersion, finalizers: wanted } });
      return;
    } catch (error) {
      if (isClusterError(error, "NotFound") && !present) return;
      if (!isClusterError(error, "Conflict") || attempt >= ATTEMPTS) throw error;
    }
  }
}
