import { asError } from "@heauth/program";

/** An error as one line for the person at the terminal: what is wrong, and its code. A bug shows its stack. */
export function explain(error: unknown): string {
  const known = asError(error) as Error & { code?: unknown };
  if (typeof known.code !== "string") return known.stack ?? known.message;
  return `${known.message}${whyNoAnswer(known)} (${known.code})`.replaceAll("\n", " ");
}

/** That a database does not answer helps nobody: an address that is wrong says so here. PostgreSQL's words and Node's name no password. */
function whyNoAnswer({ code, cause }: Error & { code?: unknown }): string {
  return code === "StoreUnavailable" && cause !== undefined ? `: ${asError(cause).message}` : "";
}
