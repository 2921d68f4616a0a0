const SECRET_NAME = /token|passw|secret|authorization|cookie|credential|private|(^|[_-])key$|[a-z]Key$/i;
const NOT_SECRET = /^public[_-]?key$/i;
const MAX_DEPTH = 6;

/** What stands in a log line or a printed configuration instead of a secret. */
export const MASK = "[redacted]";

/** Whether a field of this name may hold a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !NOT_SECRET.test(name);
}

/** A copy in which every field with a secret's name is masked, at any depth. Errors stay, for their serializer. */
export function redacted(fields: Record<string, unknown>): Record<string, unknown> {
  return copy(fields, 0) as Record<string, unknown>;
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || Error.isError(value)) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return "[too deep]";
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  if ("toJSON" in value && typeof value.toJSON === "function") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) && inner !== undefined ? MASK : copy(inner, depth + 1),
    ]),
  );
}

/** `postgres://user:password@host` → `postgres://user:[redacted]@host`, wherever it stands in the text. */
export function withoutUrlPassword(text: string): string {
  return text.includes("://") ? text.replace(/(:\/\/[^\s/?#:@]*):[^\s/?#@]+@/g, `$1:${MASK}@`) : text;
}

/**
 * An error's type, message, code, stack and causes, and nothing else: drivers hang rows, requests and configurations on theirs.
 */
export function serializeError(error: unknown): unknown {
  if (!Error.isError(error)) return typeof error === "object" ? copy(error, 0) : error;
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    type: error.name,
    message: withoutUrlPassword(error.message),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: withoutUrlPassword(error.stack) }),
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  };
}
