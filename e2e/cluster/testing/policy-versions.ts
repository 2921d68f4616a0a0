import { AUTH_POLICIES, type KubeObject } from "@heauth/program/kubernetes";
import type { Cluster } from "../cluster.ts";

/** One version of an AuthPolicy, as the API server told of it. */
export interface PolicyVersion {
  readonly generation: number;
  readonly observedGeneration: number;
  readonly digest: string | undefined;
  readonly pods: { readonly selected: number; readonly injected: number; readonly synced: number };
  /** Enforced=True, of the spec that this version has. */
  readonly isEnforced: boolean;
  readonly message: string;
  /** When it came here; `performance.now()`. */
  readonly seenAt: number;
}

/** Every version of an AuthPolicy from now on. */
export interface PolicyVersions {
  /** In the order in which they came. */
  readonly all: readonly PolicyVersion[];
  /** The first one of them that is as wanted and is not older than `generation`. Rejects when none comes within a minute, with the newest. */
  until(generation: number, wanted: (version: PolicyVersion) => boolean): Promise<PolicyVersion>;
  stop(): Promise<void>;
}

interface Policy extends KubeObject {
  readonly status?: {
    readonly observedGeneration?: number;
    readonly policyDigest?: string;
    readonly pods?: PolicyVersion["pods"];
    readonly conditions?: readonly { type: string; status: string; message: string; observedGeneration?: number }[];
  };
}

const WAIT_MS = 60_000;

/** Follows an AuthPolicy by a watch: no version is left out. */
export async function followPolicy({ client }: Cluster, namespace: string, name: string): Promise<PolicyVersions> {
  const fieldSelector = `metadata.name=${name}`;
  const { resourceVersion } = await client.list(AUTH_POLICIES, { namespace, fieldSelector });
  const all: PolicyVersion[] = [];
  const waiting = new Set<() => void>();
  const stopping = new AbortController();
  let failure: unknown;
  const following = client
    .watch<Policy>(
      AUTH_POLICIES,
      { namespace, fieldSelector, resourceVersion },
      ({ type, object }) => {
        if (type === "MODIFIED") all.push(versionOf(object));
        for (const look of waiting) look();
      },
      stopping.signal,
    )
    .catch((error: unknown) => {
      failure = error;
      for (const look of waiting) look();
    });

  return {
    all,
    async until(generation, wanted) {
      const { promise, resolve, reject } = Promise.withResolvers<PolicyVersion>();
      const look = () => {
        const found = all.find((each) => each.generation >= generation && wanted(each));
        if (found !== undefined) resolve(found);
        else if (failure !== undefined) reject(failure);
      };
      const late = () => reject(new Error(`not as wanted within ${WAIT_MS} ms: ${JSON.stringify(all.at(-1))}`));
      const timer = setTimeout(late, WAIT_MS);
      waiting.add(look);
      look();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(look);
      }
    },
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

function versionOf({ metadata: { generation = 0 }, status = {} }: Policy): PolicyVersion {
  const { observedGeneration = 0, policyDigest: digest, conditions = [] } = status;
  const enforced = conditions.find(({ type }) => type === "Enforced");
  const isOfThis = observedGeneration === generation && (enforced?.observedGeneration ?? generation) === generation;
  return {
    generation,
    observedGeneration,
    digest,
    pods: status.pods ?? { selected: 0, injected: 0, synced: 0 },
    isEnforced: isOfThis && enforced?.status === "True",
    message: enforced?.message ?? "",
    seenAt: performance.now(),
  };
}
