/** Media type of a problem document (RFC 9457 section 6.1). */
export const problemContentType = "application/problem+json";

/** One wrong place in a request. */
export interface ProblemEntry {
  /** Where, as a JSON pointer (`/password`) or the name of a header or parameter. */
  pointer: string;
  detail: string;
}

/** The body of every HTTP answer that is an error (RFC 9457); `code` is stable and made for programs. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  instance?: string;
  errors?: ProblemEntry[];
}

export interface ProblemOptions {
  status: number;
  code: string;
  title: string;
  detail?: string;
  instance?: string;
  errors?: ProblemEntry[];
}

/** A problem document; its `type` is an identifier that belongs to the code. */
export function problem({ status, code, title, ...more }: ProblemOptions): Problem {
  return { type: `https://heauth.io/problems/${code}`, title, status, code, ...more };
}
