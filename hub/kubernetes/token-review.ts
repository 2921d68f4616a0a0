import { type Clock, type Logger, sparingly } from "@heauth/program";
import { type ClusterClient, type KubeObject, TOKEN_REVIEWS } from "@heauth/program/kubernetes";
import { CallError } from "@heauth/protocol";
import { unauthenticated } from "./bearer.ts";

/** A pod that a token was proven to be of. */
export interface ProvenPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
}

interface User {
  readonly username?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** `authentication.k8s.io/v1`, as far as it is read. */
interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string; readonly audiences: readonly string[] };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: User;
    readonly error?: string;
  };
}

/** Anybody may bring any number of forged tokens: lines in the log are this far apart; the metric counts all. */
const TELL_EVERY_MS = 10_000;

/**
 * Asks the API server whose a token is.
 * @throws CallError UNAUTHENTICATED, PERMISSION_DENIED (proven, but not of a pod)
 * @throws ClusterError when there is no answer
 */
export type ReviewToken = (token: string) => Promise<ProvenPod>;

export interface TokenReviewOptions {
  client: ClusterClient;
  audience: string;
  clock: Clock;
  log: Logger;
}

export function createTokenReview({ client, audience, clock, log }: TokenReviewOptions): ReviewToken {
  const tell = sparingly<string | undefined>({ clock, everyMs: TELL_EVERY_MS }, (reason, unsaid) =>
    log.info({ reason, unsaid }, "the API server does not accept a sidecar's token"),
  );
  return async (token) => {
    const spec = { token, audiences: [audience] };
    const { status } = await client.create<TokenReview>(TOKEN_REVIEWS, { metadata: {}, spec }, { deadlineMs: 3_000 });
    // An authenticator that knows nothing of audiences names none: such a token is good for anything, and not for us.
    if (status?.authenticated !== true || !status.audiences?.includes(audience)) {
      tell(status?.error);
      throw unauthenticated("the token is not accepted");
    }
    return podOf(status.user);
  };
}

function podOf({ username = "", extra = {} }: User = {}): ProvenPod {
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  const [name, uid] = ["pod-name", "pod-uid"].map((key) => only(extra[`authentication.kubernetes.io/${key}`]));
  if (namespace === undefined || serviceAccount === undefined || name === undefined || uid === undefined) {
    throw new CallError("PERMISSION_DENIED", "the token is not bound to a pod");
  }
  return { namespace, name, uid, serviceAccount };
}

function only(values: readonly string[] = []): string | undefined {
  return values.length === 1 ? values[0] : undefined;
}
