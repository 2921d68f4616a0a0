import { asError } from "@heauth/program";

/** An error as one line for the person at the terminal: what is wrong and, where it has fields, in which. A bug shows its stack. */
export function explain(error: unknown): string {
  const known = asError(error) as Error & { code?: unknown; errors?: unknown };
  if (typeof known.code !== "string") return known.stack ?? known.message;
  const fields = Array.isArray(known.errors) ? known.errors.map(detail).filter((text) => text !== "") : [];
  return [`${known.message} (${known.code})`, ...fields].join("; ");
}

function detail(entry: unknown): string {
  const { pointer, detail: text } = entry as { pointer?: string; detail?: string };
  return text === undefined ? "" : `${pointer ?? ""} ${text}`.trim();
}
