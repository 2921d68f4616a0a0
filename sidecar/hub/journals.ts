import type { CallError, HubClient, JournalHead, StatusName } from "@heauth/protocol";
import { SidecarError, type SidecarErrorCode } from "../errors.ts";
import type { HubJournals, RecoveredJournal } from "../shipper/hub-journals.ts";

export interface JournalDeadlines {
  registerMs: number;
  appendMs: number;
}

/** Journals at the hub: registration and segments. */
export function createHubJournals(client: HubClient, { registerMs, appendMs }: JournalDeadlines): HubJournals {
  return {
    async lookUp({ tenant, journals }, signal) {
      const request = { tenant, journals: [...journals] };
      const found = await client
        .call("lookUpJournals", request, { deadlineMs: registerMs, signal })
        .catch(asSidecarError);
      return found.journals.map(recoveredJournal);
    },
    async register({ registration, possession }, signal) {
      const request = { registration, possession };
      const { recovered } = await client
        .call("registerJournal", request, { deadlineMs: registerMs, signal })
        .catch(asSidecarError);
      return recovered.map(recoveredJournal);
    },
    async append({ tenant, journal, segments }, signal) {
      const request = { tenant, journal, segments: [...segments] };
      const { nextNumber, nextSeq } = await client
        .call("appendSegments", request, { deadlineMs: appendMs, signal })
        .catch(asSidecarError);
      return { nextNumber: Number(nextNumber), nextSeq: Number(nextSeq) };
    },
  };
}

function recoveredJournal({ journal, nextNumber, nextSeq, previous, final }: JournalHead): RecoveredJournal {
  const place = { number: Number(nextNumber), seq: Number(nextSeq) };
  return { journal, final, head: previous.length === 0 ? place : { ...place, previous: Buffer.from(previous) } };
}

/** Not PERMISSION_DENIED: the policy may come back, or the pod's labels. */
const final: Partial<Record<StatusName, SidecarErrorCode>> = {
  INVALID_ARGUMENT: "HubRefused",
  FAILED_PRECONDITION: "HubRefused",
  UNIMPLEMENTED: "HubRefused",
  ALREADY_EXISTS: "HubEquivocation",
};

function asSidecarError(error: CallError): never {
  const { code, message, retryAfterMs } = error;
  throw new SidecarError(final[code] ?? "HubUnavailable", `${code}: ${message}`, { retryAfterMs, cause: error });
}
