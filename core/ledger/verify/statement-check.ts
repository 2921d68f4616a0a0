import { LedgerError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import type { LedgerRecord } from "../record/types.ts";
import { verifyStatement } from "../statement.ts";
import type { Context } from "./context.ts";
import type { FoundAt } from "./report.ts";
import type { StoredStatement } from "./source.ts";

/** A `session.open` record and where it stands. */
export type Opening = { readonly record: LedgerRecord; readonly place: FoundAt };

/** Holds session statements that are still kept against what `session.open` says of them. */
export async function checkStatements(context: Context, openings: readonly Opening[]): Promise<void> {
  const { source } = context;
  if (source.statements === undefined || openings.length === 0) return;
  const sessions = openings.flatMap(({ record }) => record.session ?? []);
  const statements = await source.statements(sessions);
  for (const { record, place } of openings) {
    const signed = statements.get(record.session ?? "");
    if (signed !== undefined) check(context, record, signed, place);
  }
}

function check({ report, pinned }: Context, record: LedgerRecord, signed: StoredStatement, place: FoundAt): void {
  if (sha256(signed.body).toString("base64url") !== record.statement) {
    report.found("StatementAltered", place, "the session statement is not the one that the session was opened with");
    return;
  }
  try {
    const statement = verifyStatement(signed, pinned);
    if (statement.session !== record.session || statement.tenant !== record.tenant) {
      report.found("StatementAltered", place, "the session statement is another session's");
    }
    const { columns } = signed;
    const same =
      columns === undefined ||
      (columns.kind === statement.kind &&
        columns.user === statement.user &&
        columns.opened === statement.opened &&
        columns.expires === statement.expires);
    if (!same) report.found("StatementAltered", place, "the session's row says otherwise than its statement");
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    report.found(STATEMENT_CLASS[error.code] ?? "StatementAltered", place, error.message);
  }
}

const STATEMENT_CLASS: Readonly<Partial<Record<LedgerError["code"], "KeyNotPinned" | "SignatureInvalid">>> = {
  KeyInvalid: "KeyNotPinned",
  SignatureInvalid: "SignatureInvalid",
};
