import { choosePolicy, type Selecting } from "@heauth/core/resources";
import { inject } from "./inject.ts";
import { foreignLogRefusal } from "./log-claim.ts";
import { INJECTION_LABEL } from "./names.ts";
import { type Pod, readPod } from "./pod.ts";
import { type Refusal, UNREADABLE } from "./refusal.ts";
import type { InjectionSettings } from "./settings.ts";

/** A policy, as far as a pod's injection depends on it. */
export interface PodPolicy extends Selecting {
  /** Those that it protects, and those that it lets through. */
  readonly ports: readonly number[];
}

/** What is around a pod. */
export interface Around {
  readonly namespace: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  /** Those of the pod's namespace. */
  readonly policies: readonly PodPolicy[];
  readonly settings: InjectionSettings;
}

export type PodAnswer =
  | { readonly outcome: "Unchanged" }
  | { readonly outcome: "Injected"; readonly pod: Pod; readonly warnings: readonly string[] }
  | ({ readonly outcome: "Refused" } & Refusal);

const UNCHANGED: PodAnswer = { outcome: "Unchanged" };
const POD_SECURITY = "pod-security.kubernetes.io/enforce";

/**
 * What becomes of a pod that is to be created. Pure: the same pod, policies and settings get the same answer, and a dry run is no
 * different.
 */
export function answerPod(object: unknown, around: Around): PodAnswer {
  const { namespace, policies, settings } = around;
  const level = injectionLevel(around);
  if (level === undefined) return UNCHANGED;
  const pod = readPod(object);
  if (pod === undefined) return refused(UNREADABLE);
  if (isMirror(pod)) return UNCHANGED;
  const foreign = foreignLogRefusal(pod);
  if (foreign !== undefined) return refused(foreign);
  const { chosen } = choosePolicy(policies, pod.metadata.labels ?? {});
  if (chosen === undefined) return level === "required" ? refused(notSelected(namespace.name)) : UNCHANGED;
  const port = chosen.ports.find((each) => Object.values(settings.ports).includes(each));
  if (port !== undefined) {
    const message = `port ${port} of AuthPolicy ${chosen.name} is heauth's own in an injected pod; take another one`;
    return refused({ reason: "PortInUse", message });
  }
  const injected = inject(pod, settings);
  if ("refusal" in injected) return refused(injected.refusal);
  if (!injected.isChanged) return UNCHANGED;
  return { outcome: "Injected", pod: injected.pod, warnings: podSecurityWarnings(namespace) };
}

/** Whether pods are injected there, and how strictly; never in the system's own namespace and in heauth's. */
export function injectionLevel({ namespace, settings }: Around): "enabled" | "required" | undefined {
  if (namespace.name === "kube-system" || namespace.name === settings.namespace) return undefined;
  const level = namespace.labels[INJECTION_LABEL];
  return level === "enabled" || level === "required" ? level : undefined;
}

/** What the kubelet shows of a static pod, which runs as its file on the node says; nothing runs for it otherwise. */
function isMirror({ metadata }: Pod): boolean {
  return metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
}

function refused(refusal: Refusal): PodAnswer {
  return { outcome: "Refused", ...refusal };
}

function notSelected(namespace: string): Refusal {
  return {
    reason: "NotSelected",
    message: `no AuthPolicy in ${namespace} selects the pod's labels, and ${INJECTION_LABEL}: required lets no other pod in`,
  };
}

/** Pod Security looks at the pod afterwards, and does not say who put the container there. */
function podSecurityWarnings({ name, labels }: Around["namespace"]): string[] {
  const level = labels[POD_SECURITY];
  if (level !== "baseline" && level !== "restricted") return [];
  return [
    `namespace ${name} has ${POD_SECURITY}: ${level}, which refuses the container that redirects to Envoy; injection needs privileged`,
  ];
}
