import type { ProblemEntry } from "@heauth/program";
import { type ProblemCode, problemKinds } from "./problems.ts";

export interface IdentityErrorOptions extends ErrorOptions {
  /** Safe for the client to read. */
  readonly detail?: string;
  readonly errors?: ProblemEntry[];
  /** Whole seconds after which it may be tried again. */
  readonly retryAfter?: number;
}

/** What a route throws to answer a problem document. The code is the document's; the message tells people the same in one line. */
export class IdentityError extends Error {
  readonly code: ProblemCode;
  readonly detail: string | undefined;
  readonly errors: ProblemEntry[] | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ProblemCode, options: IdentityErrorOptions = {}) {
    const { detail = problemKinds[code].title, errors = [] } = options;
    super([detail, ...errors.map((each) => `${each.pointer.slice(1)} ${each.detail}`)].join(" "), options);
    this.name = "IdentityError";
    this.code = code;
    this.detail = options.detail;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
  }
}

/** A field that is not as it must be. `pointer` is a JSON pointer into the body. */
export function invalidField(pointer: string, detail: string): IdentityError {
  return new IdentityError("InvalidRequest", { errors: [{ pointer, detail }] });
}
