import { ClusterError, type ClusterErrorCode } from "./errors.ts";

/** `metav1.Status`: what the API server says instead of what was asked for. */
interface Status {
  message?: string;
  reason?: string;
  code?: number;
  details?: { retryAfterSeconds?: number; causes?: { field?: string }[] };
}

const BY_STATUS: Readonly<Record<number, ClusterErrorCode>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Gone",
  429: "TooManyRequests",
  504: "Timeout",
};

/** The error that an answer of 300 and above stands for. What is not a Status (a proxy's page) is not repeated. */
export function refusalOf(what: string, status: number, retryAfter: string | undefined, body: string): ClusterError {
  return refusalOfStatus(what, statusOf(body), status, retryAfter);
}

/** The error that a Status object stands for, such as a watch's ERROR event carries. */
export function refusalOfStatus(what: string, object: unknown, status?: number, retryAfter?: string): ClusterError {
  const { message, reason, code = 500, details } = (object ?? {}) as Status;
  const httpStatus = status ?? code;
  // A uid says which object is meant: that there is another one of its name by now is no mistake of the writer's.
  const isOfAnother = details?.causes?.some(({ field }) => field === "metadata.uid") ?? false;
  const seconds = Number(retryAfter ?? details?.retryAfterSeconds);
  return new ClusterError(
    isOfAnother ? "Conflict" : codeOf(httpStatus, reason),
    `${what}: ${message || `the server answered ${httpStatus}`}`,
    {
      status: httpStatus,
      retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
    },
  );
}

function codeOf(status: number, reason: string | undefined): ClusterErrorCode {
  if (reason === "AlreadyExists") return "AlreadyExists";
  const known = BY_STATUS[status];
  if (known !== undefined) return known;
  return status >= 400 && status < 500 ? "Invalid" : "ServerError";
}

function statusOf(body: string): Status {
  try {
    const parsed: (Status & { kind?: unknown }) | null = JSON.parse(body);
    return parsed?.kind === "Status" ? parsed : {};
  } catch {
    return {};
  }
}
