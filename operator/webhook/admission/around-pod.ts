import {
  AUTH_POLICIES,
  type CallOptions,
  type ClusterClient,
  type KubeObject,
  NAMESPACES,
} from "@heauth/program/kubernetes";
import * as z from "zod";
import { OperatorError } from "../../errors.ts";
import type { Around, InjectionSettings, PodPolicy } from "../injection/index.ts";

/** Well within the API server's own patience, so that whoever waits hears what is wrong. */
const WITHIN_MS = 3_000;

/**
 * What is around a namespace's pods at this moment: both reads are consistent ones, so that a pod created after a policy was applied
 * is known to be its.
 *
 * @throws ClusterError; OperatorError PolicyUnreadable
 */
export async function lookAround(client: ClusterClient, name: string, settings: InjectionSettings): Promise<Around> {
  const options: CallOptions = { deadlineMs: WITHIN_MS };
  const [{ metadata }, { items }] = await Promise.all([
    client.get<KubeObject>(NAMESPACES, { name }, options),
    client.list<KubeObject>(AUTH_POLICIES, { namespace: name }, options),
  ]);
  return { namespace: { name, labels: metadata.labels ?? {} }, policies: items.map(podPolicy), settings };
}

const labels = z.record(z.string(), z.string());
const requirement = z.object({
  key: z.string(),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: z.array(z.string()).optional(),
});
const port = z.int();

/** Of an AuthPolicy, what a pod depends on. All else may be wrong: whom it selects is guarded by it, and denied. */
const policySchema = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string(), creationTimestamp: z.iso.datetime() }),
  spec: z.object({
    selector: z.object({ matchLabels: labels.optional(), matchExpressions: z.array(requirement).optional() }),
    ports: z.array(z.object({ port })),
    passthroughPorts: z.array(port).default([]),
  }),
});

function podPolicy(object: KubeObject): PodPolicy {
  const read = policySchema.safeParse(object);
  if (!read.success) {
    const { namespace, name } = object.metadata;
    const field = read.error.issues[0]?.path.join(".");
    throw new OperatorError("PolicyUnreadable", `AuthPolicy ${namespace}/${name} can't be read: ${field} is wrong`);
  }
  const { metadata, spec } = read.data;
  const { namespace, name, creationTimestamp } = metadata;
  const { selector, ports, passthroughPorts } = spec;
  return {
    namespace,
    name,
    createdAtMs: Date.parse(creationTimestamp),
    selector,
    ports: [...ports.map((each) => each.port), ...passthroughPorts],
  };
}
