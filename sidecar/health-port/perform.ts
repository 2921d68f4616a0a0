import { CallError } from "@heauth/protocol";
import type { Finding, Place } from "./finding.ts";
import { grpcCheck } from "./grpc-check.ts";
import { httpCheck } from "./http-check.ts";
import type { KubeletCheck } from "./kubelet-checks.ts";
import { tcpCheck } from "./tcp-check.ts";

/** Does what the kubelet would do there, within the check's own time; `ending` ends it before. Never rejects. */
export async function perform(check: KubeletCheck, at: Place, ending: AbortSignal): Promise<Finding> {
  const late = AbortSignal.timeout(check.timeoutMs);
  try {
    return await asked(check, at, AbortSignal.any([late, ending]));
  } catch (error) {
    return late.aborted ? "no answer in time" : reasonOf(error);
  }
}

function asked(check: KubeletCheck, at: Place, signal: AbortSignal): Promise<Finding> {
  const { httpGet, tcpSocket, grpc, isHook, timeoutMs: deadlineMs } = check;
  if (httpGet !== undefined) return httpCheck(httpGet, at, { isHook, signal });
  if (tcpSocket !== undefined) return tcpCheck(tcpSocket, at, signal);
  if (grpc !== undefined) return grpcCheck(grpc, at, { deadlineMs, signal });
  return Promise.resolve("nothing is recorded");
}

/** By its code: messages may hold what the app has said. */
function reasonOf(error: unknown): string {
  if (error instanceof CallError) return error.code === "DEADLINE_EXCEEDED" ? "no answer in time" : error.code;
  return Error.isError(error) && "code" in error && typeof error.code === "string" ? error.code : "no answer";
}
