import { isUuid } from "@heauth/program";
import type { PolicyAck, Probe, SyncRequest } from "@heauth/protocol";
import { podOf } from "./callers.ts";
import type { History } from "./history.ts";
import type { Notes } from "./notes.ts";
import { denied, malformed } from "./refusals.ts";
import type { Stream } from "./stream.ts";

const MAX_TEXT = 1000;
const MAX_ITEMS = 100;

export interface HearingParts {
  notes: Notes;
  history: History;
  ageMs(): number | undefined;
}

/**
 * Takes what a sidecar says after its Hello.
 * @throws CallError for what it has no business to say
 */
export function hearSidecar(message: SyncRequest["message"], stream: Stream, parts: HearingParts): void {
  if (message.case === "probe") hearProbe(message.value, stream, parts);
  else if (message.case === "policyAck") hearAck(message.value, stream, parts);
  else if (message.case === "hello") throw malformed("a second Hello");
  // Anything else is of a later version: nothing that this one must know.
}

function hearProbe({ nonce, watermarks }: Probe, stream: Stream, { notes, history, ageMs }: HearingParts): void {
  const receivedAge = ageMs();
  if (receivedAge !== undefined) stream.probed(nonce, receivedAge);
  if (watermarks.length > MAX_ITEMS) throw malformed("too many watermarks");
  for (const { tenant: tenantId, journal: journalId, outboxSeq } of watermarks) {
    if (!isUuid(journalId)) throw malformed("the journal's id is no UUID");
    const seq = Number(outboxSeq);
    // Nobody has seen an event that is still to come: such a mark is of a store that was.
    if (seq > (history.head(tenantId) ?? -1)) continue;
    if (stream.isNewMark(journalId, seq)) notes.mark({ caller: stream.caller, tenantId, journalId, seq });
  }
}

function hearAck(ack: PolicyAck, { caller, told }: Stream, { notes }: HearingParts): void {
  const { namespace, name, digest, enforced, missingFeatures, message } = ack;
  const policy = told({ namespace, name });
  if (policy === undefined) throw denied(`policy ${namespace}/${name}`);
  const texts = [digest, message, ...missingFeatures];
  if (missingFeatures.length > MAX_ITEMS || texts.some((text) => text.length > MAX_TEXT || text.includes("\0"))) {
    throw malformed("an acknowledgement that is too long");
  }
  // Of a policy that was taken away meanwhile, nobody asks any more.
  if (policy === null) return;
  const of = { tenantId: policy.tenantId, namespace, name, pod: podOf(caller) };
  notes.ack({
    ...of,
    ...(caller.uid === undefined ? {} : { podUid: caller.uid }),
    digest,
    enforced,
    missingFeatures,
    message,
  });
}
