import { asError } from "@heauth/program";

/** An error as one line for the person at the terminal: what is wrong, and its code. A bug shows its stack. */
export function explain(error: unknown): string {
  const known = asError(error) as Error & { code?: unknown };
  if (typeof known.code !== "string") return known.stack ?? known.message;
  return `${known.message} (${known.code})`.replaceAll("\n", " ");
}
