/** The tour's last part: the closed block, and the ledger before, during and after somebody edits a row. */
import pg from "pg";
import { compare, note, request, title } from "./show.ts";
import type { Stage } from "./stage.ts";
import { runHeauth } from "./standalone.ts";

export async function ledgerSteps(stage: Stage, session: string): Promise<void> {
  const database = new pg.Client({ connectionString: await stage.databaseUrl(), options: "-c search_path=heauth" });
  await database.connect();
  try {
    title("The closed block, as an auditor reads it");
    await showBlock(database, session);

    title("Verify the ledger against the anchor");
    await verify("exit 0 (intact)");

    title("Somebody with the database changes one digit of when it happened");
    const place = await changeOneByte(database, session);
    await verify("exit 1 (tampered)", place);

    title("Put it back");
    await changeOneByte(database, session);
    await verify("exit 0 (intact)");
  } finally {
    await database.end();
  }

  async function verify(expected: string, place?: string): Promise<void> {
    request("npx heauth ledger verify --tenant acme --data DIR");
    const { code, output } = await runHeauth(["ledger", "verify", "--tenant", "acme", "--data", stage.data]);
    const verdict = { 0: "intact", 1: "tampered", 2: "could not check" }[Number(code)] ?? "failed";
    compare(expected, `exit ${code} (${verdict})`);
    note(output);
    if (place !== undefined)
      compare(`names ${place}`, output.includes(place) ? `names ${place}` : "names another place");
  }
}

async function showBlock(database: pg.Client, session: string): Promise<void> {
  request(`SELECT … FROM audit_closed_block, audit_record WHERE session_id = '${session}'`);
  const block = await closedBlock(database, session);
  note(
    `block ${block["number"]}: ${block["reason"]}, ${block["actions"]} actions, ${iso(block["opened_at"])} to ${iso(block["closed_at"])}`,
  );
  const records = await database.query(
    "SELECT * FROM audit_record WHERE session_id = $1 AND type = 'decision' ORDER BY at",
    [session],
  );
  for (const row of records.rows)
    note(
      `${iso(row.at)}  ${row.decision}  ${row.action ?? row.rule ?? "-"}  ${row.method} ${row.path}  ${row.reason ?? ""}`,
    );
  compare("closed by Logout", `closed by ${block["reason"]}`);
  const actions = records.rows.map((row) => `${row.action} ${row.decision}`);
  const both = actions.includes("patient.read Allow") && actions.includes("patient.write Deny");
  compare("holds the read and the refused write", both ? "holds the read and the refused write" : actions.join(", "));
}

function iso(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

/** Blocks close when every sidecar has shipped what it recorded before it saw the log-out; that takes a moment. */
async function closedBlock(database: pg.Client, session: string): Promise<Record<string, unknown>> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { rows } = await database.query("SELECT * FROM audit_closed_block WHERE session_id = $1", [session]);
    if (rows[0]) return rows[0];
    if (Date.now() > deadline) throw new Error("the block did not close within 20 s");
    await new Promise((wait) => setTimeout(wait, 200));
  }
}

/**
 * Flips the lowest bit of a digit of the time in the first record of the segment that tells of the session's decisions: twice is back.
 * @returns the segment's place as `ledger verify` names it
 */
async function changeOneByte(database: pg.Client, session: string): Promise<string> {
  const where = `WHERE (tenant_id, journal_id, number) = (
    SELECT s.tenant_id, s.journal_id, s.number
    FROM segment_session s JOIN journal j ON (j.tenant_id, j.id) = (s.tenant_id, s.journal_id)
    WHERE s.session_id = '${session}' AND j.program = 'sidecar' ORDER BY s.journal_id, s.number LIMIT 1)`;
  const byte = "position('\"at\":'::bytea IN records) + 9";
  request("UPDATE segment SET records = set_byte(records, <a digit of its time>, …) WHERE …");
  const { rows } = await database.query(
    `UPDATE segment SET records = set_byte(records, ${byte}, get_byte(records, ${byte}) # 1) ${where} RETURNING journal_id, number`,
  );
  note(`journal ${rows[0].journal_id}, segment ${rows[0].number}`);
  return rows[0].journal_id;
}
