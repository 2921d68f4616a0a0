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

    title("Somebody with the database changes one byte of a stored record");
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
    `block ${block["number"]}: ${block["reason"]}, ${block["actions"]} actions, ${block["opened_at"]} to ${block["closed_at"]}`,
  );
  const records = await database.query(
    "SELECT * FROM audit_record WHERE session_id = $1 AND type = 'decision' ORDER BY at",
    [session],
  );
  for (const row of records.rows)
    note(
      `${row.at.toISOString()}  ${row.decision}  ${row.action ?? row.rule ?? "-"}  ${row.method} ${row.path}  ${row.reason ?? ""}`,
    );
  compare("closed by Logout", `closed by ${block["reason"]}`);
  const actions = records.rows.map((row) => `${row.action} ${row.decision}`);
  const both = actions.includes("patient.read Allow") && actions.includes("patient.write Deny");
  compare("holds the read and the refused write", both ? "holds the read and the refused write" : actions.join(", "));
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
 * Flips the lowest bit of one byte in the middle of the first segment that tells of the session's decisions.
 * @returns the segment's place as `ledger verify` names it
 */
async function changeOneByte(database: pg.Client, session: string): Promise<string> {
  const where = `WHERE (tenant_id, journal_id, number) = (
    SELECT tenant_id, journal_id, number FROM segment_session JOIN journal ON (tenant_id, journal_id) = (journal.tenant_id, journal.id)
    WHERE session_id = '${session}' AND program = 'sidecar' ORDER BY journal_id, number LIMIT 1)`;
  request("UPDATE segment SET records = set_byte(records, 60, get_byte(records, 60) # 1) WHERE …");
  const { rows } = await database.query(
    `UPDATE segment SET records = set_byte(records, 60, get_byte(records, 60) # 1) ${where} RETURNING journal_id, number`,
  );
  note(`journal ${rows[0].journal_id}, segment ${rows[0].number}`);
  return rows[0].journal_id;
}
