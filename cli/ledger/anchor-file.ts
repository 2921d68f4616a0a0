import { readFile } from "node:fs/promises";
import { LedgerError, parseCheckpoint } from "@heauth/core/ledger";
import { CliError } from "../errors.ts";

/**
 * The anchor in a file; undefined when there is no such file.
 * @throws CliError InvalidOption when it can't be read
 */
export async function readAnchorFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    throw new CliError("InvalidOption", `the anchor ${file} can't be read (${code})`);
  }
}

/** The note, once it is known to be a checkpoint. @throws CliError InvalidOption, naming where it is from */
export function checkedAnchor(note: string, from: string): string {
  try {
    parseCheckpoint(note);
    return note;
  } catch (error) {
    if (error instanceof LedgerError) throw new CliError("InvalidOption", `the anchor ${from}: ${error.message}`);
    throw error;
  }
}
