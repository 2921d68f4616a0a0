import type { Metadata } from "@heauth/protocol";
import type { PolicyName } from "@heauth/store";

/** A sidecar, as the hub holds it to be; never as it says. */
export interface Caller {
  readonly namespace: string;
  /** The pod's name. */
  readonly pod: string;
  /** The policies it is served; their tenants are all it hears of. */
  readonly policies: readonly PolicyName[];
}

/** Finds out who calls. */
export interface CallerResolver {
  /** @throws CallError UNAUTHENTICATED, UNAVAILABLE */
  resolve(metadata: Metadata): Promise<Caller>;
}

/** Whoever can open the socket is the caller: its file permissions are the proof. */
export function callerOfSocket(caller: Caller): CallerResolver {
  return { resolve: async () => caller };
}

/** `<namespace>/<pod>`, as in records and registrations. */
export function podOf({ namespace, pod }: Caller): string {
  return `${namespace}/${pod}`;
}
