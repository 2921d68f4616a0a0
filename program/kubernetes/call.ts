import { ClusterError, isClusterError } from "./errors.ts";
import { bodyOf, type Exchange, type Outgoing } from "./exchange.ts";

export interface CallOptions {
  /** Milliseconds until the call is given up with `Timeout`; 10 s unless given. */
  readonly deadlineMs?: number;
  /** Gives the call up; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const DEADLINE_MS = 10_000;

/** One request and its whole answer, parsed. Rejects with ClusterError, or with the reason of the caller's signal. */
export async function call(exchange: Exchange, request: Outgoing, options: CallOptions = {}): Promise<unknown> {
  const { deadlineMs = DEADLINE_MS, signal } = options;
  const deadline = AbortSignal.timeout(Math.ceil(deadlineMs));
  try {
    const answer = await exchange(request, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
    return parsed(request, await bodyOf(answer));
  } catch (error) {
    signal?.throwIfAborted();
    if (deadline.aborted) throw new ClusterError("Timeout", `${request.what}: no answer within ${deadlineMs} ms`);
    if (isClusterError(error)) throw error;
    throw new ClusterError("Unreachable", `${request.what}: the answer broke off`, { cause: error });
  }
}

function parsed({ what }: Outgoing, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new ClusterError("ServerError", `${what}: the answer is not JSON`);
  }
}
