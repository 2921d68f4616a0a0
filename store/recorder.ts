import type { LedgerWriter } from "./ledger/writer.ts";

/** Who writes a program's own records; a transaction that is a rule writes them through it. */
export type Recorder = Pick<LedgerWriter, "append">;
