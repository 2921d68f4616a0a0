import type { ProgramKey } from "@heauth/core/keys";
import type { Clock, Labels, Logger, Metrics } from "@heauth/program";
import { type CallContext, CallError, type HubHandlers, type Metadata } from "@heauth/protocol";
import { type Database, LedgerStoreError, raiseLedgerAlert } from "@heauth/store";
import { createAdmission } from "./admission.ts";
import type { CallerResolver } from "./callers.ts";
import { append, register, type Served, standing } from "./journal-intake.ts";
import type { JournalOwners } from "./journal-owners.ts";
import type { PolicyBoard } from "./policy-board.ts";
import { denied, refusalOf, unavailable } from "./refusals.ts";
import { lookUp } from "./session-look-ups.ts";

export interface CallsOptions {
  database: Database;
  hubKey: ProgramKey;
  board: PolicyBoard;
  owners: JournalOwners;
  /** The store that events are read from; undefined before the first read. */
  store(): string | undefined;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  limits: { lookUps: number; appends: number };
}

/** The hub's unary calls, for whoever a resolver finds calling. */
export function createCalls(options: CallsOptions): (callers: CallerResolver) => Omit<HubHandlers, "sync"> {
  const { database, hubKey, board, owners, store, clock, log, metrics, limits } = options;
  const lookUps = createAdmission(limits.lookUps);
  const appends = createAdmission(limits.appends);

  async function served(callers: CallerResolver, metadata: Metadata): Promise<Served> {
    const caller = await callers.resolve(metadata);
    await board.know(caller.namespace);
    return { caller, tenants: new Set(board.servedTo(caller).map(({ tenantId }) => tenantId)) };
  }

  /** Counts the call, and says what the store refused in gRPC's words. */
  async function counted<T>(call: string, { signal }: CallContext, work: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      const answer = await work();
      count(call, "ok");
      return answer;
    } catch (thrown) {
      const error = refusalOf(thrown);
      count(call, outcomeOf(error));
      throw error;
    }
  }

  function count(call: string, outcome: Labels<"heauth_hub_calls_total">["outcome"]): void {
    metrics.counter("heauth_hub_calls_total", { call, outcome }).add();
  }

  return (callers) => ({
    lookUpSessions: (request, context) =>
      counted("lookUpSessions", context, () =>
        lookUps.run(async () => {
          const { tenants } = await served(callers, context.metadata);
          if (!tenants.has(request.tenant)) throw denied("the tenant");
          const current = store();
          if (current === undefined) throw unavailable();
          return lookUp(database, request, current);
        }),
      ),
    lookUpJournals: (request, context) =>
      counted("lookUpJournals", context, () =>
        appends.run(async () => standing(database, request, await callers.resolve(context.metadata))),
      ),
    registerJournal: (request, context) =>
      counted("registerJournal", context, () =>
        appends.run(async () => register(database, hubKey, owners, request, await served(callers, context.metadata))),
      ),
    appendSegments: (request, context) =>
      counted("appendSegments", context, async () => {
        try {
          return await appends.run(async () =>
            append(database, owners, request, await callers.resolve(context.metadata)),
          );
        } catch (error) {
          await alarm(error, request);
          throw error;
        }
      }),
  });

  /** Two stories under one number: nobody honest tells them. Its own transaction, because the one that met them is rolled back. */
  async function alarm(error: unknown, { tenant, journal }: { tenant: string; journal: string }): Promise<void> {
    if (!(error instanceof LedgerStoreError) || error.code !== "Equivocation") return;
    log.error({ tenant, journal, err: error }, "a journal equivocates");
    metrics.counter("heauth_hub_segments_total", { outcome: "conflict" }).add();
    const alert = { reason: "Equivocation", key: journal, finding: error.message, at: clock.wallMicros() } as const;
    await database.tenantTransaction(tenant, (tx) => raiseLedgerAlert(tx, tenant, alert));
  }
}

function outcomeOf(error: unknown): Labels<"heauth_hub_calls_total">["outcome"] {
  if (!(error instanceof CallError) || error.code === "UNAVAILABLE") return "error";
  return error.code === "RESOURCE_EXHAUSTED" ? "overloaded" : "refused";
}
