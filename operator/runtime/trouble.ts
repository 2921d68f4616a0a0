import { asError, type Logger } from "@heauth/program";
import { isClusterError } from "@heauth/program/kubernetes";

/** What keeps a part from its work at the moment: logged when it begins, when it becomes another one, and when it is over. */
export interface Trouble {
  /** It failed (again). */
  report(error: unknown): void;
  over(): void;
  /** Undefined: none. */
  readonly message: string | undefined;
}

export function createTrouble(log: Logger, what: string): Trouble {
  let current: { readonly kind: string; readonly message: string } | undefined;
  return {
    get message() {
      return current?.message;
    },
    report(thrown) {
      const error = asError(thrown);
      const kind = isClusterError(error) ? error.code : error.name;
      if (kind !== current?.kind) log.warn({ err: error }, `${what}; it is tried again until it works`);
      current = { kind, message: error.message };
    },
    over() {
      if (current !== undefined) log.info({ was: current.kind }, `${what}: that is over`);
      current = undefined;
    },
  };
}
