import {
  describeGap,
  type Finding,
  JOURNAL_LOST,
  type Place,
  type RecordedGap,
  type RecordedRecovery,
  type Verdict,
} from "@heauth/core/ledger";

/** The verdict for people: one line that says it, then what was found and where. Ends with a newline. */
export function describeVerdict(tenant: string, verdict: Verdict): string {
  const lines = [headline(tenant, verdict)];
  for (const recovery of verdict.recoveries) lines.push(`  ${describeRecovery(recovery)}`);
  for (const finding of verdict.findings) lines.push(`  ${describeFinding(finding)}`);
  const untold = verdict.counts.findings - verdict.findings.length;
  if (untold > 0) lines.push(`  and ${untold} more`);
  for (const gap of verdict.incomplete) lines.push(`  ${describeRecordedGap(gap)}`);
  for (const { session, journal, count } of verdict.pending) {
    const many = count === 1 ? "1 record" : `${count} records`;
    lines.push(
      `  late: ${many} of session ${session} in journal ${journal}, after its block was closed, are not amended yet`,
    );
  }
  return `${lines.join("\n")}\n`;
}

const HELD = {
  Matched: "goes on from the anchor",
  Recovered: "the anchor is of what the recovery says was lost",
  Contradicted: "contradicts the anchor",
};

function headline(tenant: string, { status, problem, anchor, counts }: Verdict): string {
  const waiting = counts.unsealed === 0 ? "" : `, ${counts.unsealed} rows not sealed yet`;
  const what = `${counts.entries} log entries, ${counts.records} records, ${counts.blocks} blocks${waiting}`;
  switch (status) {
    case "Tampered": {
      const many = counts.findings === 1 ? "1 finding" : `${counts.findings} findings`;
      return `tampered: the ledger of ${tenant} is not what was recorded (${many}; ${what})`;
    }
    case "Unchecked":
      return `could not check the ledger of ${tenant}: ${problem ?? "no reason given"} (${what}, nothing bad among them)`;
    case "Intact": {
      const incomplete =
        counts.gaps === 0 ? "" : `, incomplete (${counts.gaps === 1 ? "1 gap" : `${counts.gaps} gaps`})`;
      const recovered =
        counts.recoveries === 0
          ? ""
          : `, RECOVERED (${counts.recoveries === 1 ? "once" : `${counts.recoveries} times`})`;
      const complete = `intact${recovered}${incomplete}`;
      const held =
        anchor !== "None"
          ? HELD[anchor]
          : "NO ANCHOR: a tail that was cut off, or a database that was rolled back, would not be seen";
      return `${complete}: the ledger of ${tenant} (${what}); ${held}`;
    }
  }
}

/** `lost: 4 records of journal 0192… from seq 17 on (told by record 0193…/3)`; no journal is closed that was lost. */
function describeRecordedGap({ journal, pod, from, lost, reason, record }: RecordedGap): string {
  const what = describeGap({ journal, from, ...(lost !== undefined && { lost }) }, pod);
  const why = reason === JOURNAL_LOST ? ", which its pod left without closing it" : "";
  return `lost: ${what}${why} (told by record ${record})`;
}

/** `RECOVERED at 2026-11-21T03:04:05Z: 2 log entries lost …` */
function describeRecovery({ at, lost, anchorSize, size, epoch, finding, signer, reason }: RecordedRecovery): string {
  const time = new Date(at / 1000).toISOString().replace(/\.\d+Z$/, "Z");
  const many = lost === undefined ? "an unknown number of log entries" : `${lost} log entries`;
  const had = anchorSize === undefined ? "there was no anchor" : `the anchor had ${anchorSize}`;
  const why = `${finding}; decided under ${signer}: ${reason}`;
  return `RECOVERED at ${time}: ${many} lost, ${had}; epoch ${epoch} goes on from ${size} (${why})`;
}

/** `RecordAltered at journal 0192…, segment 3, record 17: …` */
function describeFinding({ class: finding, place, message }: Finding): string {
  const where = describePlace(place);
  return `${finding}${where === "" ? "" : ` at ${where}`}: ${message}`;
}

function describePlace(place: Place): string {
  const parts: string[] = [];
  if (place.anchor === true) parts.push("the anchor");
  if (place.index !== undefined) parts.push(`log entry ${place.index}`);
  if (place.size !== undefined) parts.push(`checkpoint of size ${place.size}`);
  if (place.block !== undefined) parts.push(`block ${place.block}`);
  if (place.journal !== undefined) parts.push(`journal ${place.journal}`);
  if (place.number !== undefined) parts.push(`segment ${place.number}`);
  if (place.seq !== undefined) parts.push(`record ${place.seq}`);
  if (place.session !== undefined) parts.push(`session ${place.session}`);
  return parts.join(", ");
}
