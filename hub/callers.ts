import type { CallError, Metadata } from "@heauth/protocol";
import type { PolicyName, StoredPolicy } from "@heauth/store";

/** A sidecar, as the hub holds it to be; never as it says. */
export interface Caller {
  readonly namespace: string;
  /** The pod's name. */
  readonly pod: string;
  /** Which of the pods that have had this name; journals are bound to it. Undefined where pods have none. */
  readonly uid?: string | undefined;
  /** Which of its namespace's policies it is served; their tenants are all it hears of. */
  choose<P extends StoredPolicy>(policies: readonly P[]): readonly P[];
  /** What it runs, for logs. */
  readonly image?: string | undefined;
  /** Absent where it stays who it is for as long as the connection stands. */
  readonly proof?: CallerProof;
}

/** That a caller is who it is, for a while. */
export interface CallerProof {
  /** ms since the Unix epoch. */
  readonly expiresAtMs: number;
  /**
   * Looks who it is by now.
   * @throws CallError UNAUTHENTICATED or PERMISSION_DENIED when it is nobody any more; UNAVAILABLE when that can't be found out
   */
  again(): Promise<Caller>;
}

/** Whether the caller was found to be nobody that is served; any other failure says nothing of him. */
export function isRefusal({ code }: CallError): boolean {
  return code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED";
}

/** Finds out who calls. */
export interface CallerResolver {
  /** @throws CallError UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAVAILABLE */
  resolve(metadata: Metadata): Promise<Caller>;
}

/** Whoever can open the socket is the caller: its file permissions are the proof. It is served the policy of this name. */
export function callerOfSocket({ namespace, pod, policy }: { namespace: string; pod: string; policy: string }) {
  const caller: Caller = { namespace, pod, choose: (policies) => policies.filter(({ name }) => name === policy) };
  return { resolve: async () => caller } satisfies CallerResolver;
}

/** `<namespace>/<pod>`, as in records and registrations. */
export function podOf({ namespace, pod }: Pick<Caller, "namespace" | "pod">): string {
  return `${namespace}/${pod}`;
}

/** Whether it is a policy of that name. */
export function isNamed({ namespace, name }: PolicyName): (policy: PolicyName) => boolean {
  return (policy) => policy.namespace === namespace && policy.name === name;
}
