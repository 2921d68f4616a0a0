import type { KeyObject } from "node:crypto";
import type { ProgramKey, ServerSecrets } from "@heauth/core/keys";
import type { Clock, Health, Logger, Metrics } from "@heauth/program";
import type { Database, LedgerWriter } from "@heauth/store";
import type { IdentityConfig } from "./config.ts";
import type { Counts } from "./counts.ts";
import type { ChangingCertificate } from "./http/tls.ts";
import type { ForgetfulCounters } from "./login/forgetful-counters.ts";
import type { Hashing } from "./login/hashing.ts";

/** What identity is made of; whoever starts it gives it. */
export interface IdentityParts {
  readonly config: IdentityConfig;
  /** Opened with the role `heauth_identity`. */
  readonly database: Database;
  /** Of this run; closed by `stop()`. */
  readonly ledgerWriter: LedgerWriter;
  /** Signs session statements. */
  readonly programKey: ProgramKey;
  /** Keys of identity's that signed statements before `programKey`: id → public key. */
  readonly formerKeys?: ReadonlyMap<string, KeyObject>;
  readonly serverSecrets: ServerSecrets;
  /** Of its HTTP server; without one it speaks plain HTTP, for a proxy in front. */
  readonly certificate?: ChangingCertificate | undefined;
  /** At a stop: how long it still answers everybody, so that who balances load can see that it goes; none unless given. */
  readonly drainMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** What the routes work with. */
export interface Workshop extends IdentityParts {
  readonly counts: Counts;
  readonly hashing: Hashing;
  readonly absentTenants: ForgetfulCounters;
  /** Every key of identity's whose statements count. */
  readonly identityKeys: ReadonlyMap<string, KeyObject>;
}
