import { readFile } from "node:fs/promises";

/** An event of audit.k8s.io/v1, as far as tests look at it. */
export interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string; readonly groups?: readonly string[] };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  /** `ResponseStarted` for watches, else `ResponseComplete`. */
  readonly stage: string;
  readonly requestReceivedTimestamp: string;
}

/** Every event written so far, in order; none when there is no file. The line that is just being written is left out. */
export async function readAudit(file: string): Promise<AuditEvent[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as AuditEvent);
}
