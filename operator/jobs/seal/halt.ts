import type { FindingClass } from "@heauth/core/ledger";

/** Why a log is not sealed any further. Names what `heauth ledger verify` would find, where it would. */
export type HaltClass = FindingClass | "AnchorInvalid" | "AnchorMissing";

/** Stops a tenant's sealing. The message names places, never contents. */
export class Halt extends Error {
  readonly finding: HaltClass;

  constructor(finding: HaltClass, message: string, options?: ErrorOptions) {
    super(`${finding}: ${message}`, options);
    this.name = "Halt";
    this.finding = finding;
  }
}
