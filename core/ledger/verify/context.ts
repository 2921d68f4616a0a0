import type { PinnedKeys } from "../keys.ts";
import type { Damage } from "./damage.ts";
import type { Report } from "./report.ts";
import type { LedgerSource } from "./source.ts";

/** What every part of one verification shares. */
export type Context = {
  readonly tenant: string;
  readonly source: LedgerSource;
  readonly pinned: PinnedKeys;
  readonly report: Report;
  readonly damage: Damage;
};

/** Where a row stands: its log index and whether its bytes are those of the log's leaf; neither while it is not sealed. */
export type Standing = { readonly index: number | undefined; readonly asLogged: boolean | undefined };
