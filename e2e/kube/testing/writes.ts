import { openPostgresDoor, type Statement } from "../../faults/postgres-door.ts";
import type { ProgramProcess } from "../operator-process.ts";
import type { OperatorRig } from "../operator-rig.ts";

/** What a controller writes: a statement, the commit of what has written, or a request. */
export interface Write {
  /** The same every time. */
  readonly name: string;
  /** Of a request; "" of a statement. */
  readonly path: string;
}

/** Sees every write of one operator's controllers; others' (jobs, the Lease, Events, anchors that are only kept up) are left out. */
export interface WriteHook {
  before?(write: Write): Promise<void> | void;
  after?(write: Write): Promise<void> | void;
}

/** An operator whose writes go through doors. */
export interface WatchedOperator {
  readonly operator: ProgramProcess;
  onWrite(hook?: WriteHook): void;
  /** Freezes it after such a statement, whoever's: the server has done it, and its transaction is open. Rejects where none comes within 20 s. */
  freezeAfter(isMeant: (statement: Statement) => boolean): Promise<void>;
  /** Ends it by force, and its door to the database with it. */
  stop(): Promise<void>;
}

export async function startWatched(rig: OperatorRig): Promise<WatchedOperator> {
  const door = await openPostgresDoor(rig.databaseUrl);
  const proxy = await rig.api.proxied();
  const operator = await rig.startOperator({
    kubeconfig: await proxy.kubeconfig(rig.account),
    databaseUrl: door.url,
  });
  return {
    operator,
    onWrite(hook = {}) {
      door.onStatement({
        before: (statement) => tell(hook.before, statementName(statement)),
        after: (statement) => tell(hook.after, statementName(statement)),
      });
      proxy.onRequest({
        async before(request) {
          await tell(hook.before, requestName(request), request.path);
          return undefined;
        },
        after: (request) => tell(hook.after, requestName(request), request.path),
      });
    },
    freezeAfter: (isMeant) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("there was no such statement")), 20_000);
        door.onStatement({
          after(statement) {
            if (!isMeant(statement)) return;
            operator.pause();
            door.onStatement();
            clearTimeout(timer);
            resolve();
          },
        });
      }),
    async stop() {
      await operator.stop("SIGKILL");
      await Promise.all([door.stop(), proxy.stop()]);
    },
  };
}

async function tell(hook: WriteHook["before"], name: string | undefined, path = ""): Promise<void> {
  if (name !== undefined) await hook?.({ name, path });
}

/** Only controllers' transactions are fenced by a term. */
const FENCE = /heauth\.term .*FOR SHARE/s;
const WRITES = /\b(?:INSERT INTO|(?<!FOR )UPDATE|DELETE FROM)\s+[\w.]+|heauth\.drop_tenant/;

function statementName({ sql, before }: Statement): string | undefined {
  if (!before.some((earlier) => FENCE.test(earlier))) return undefined;
  if (/^COMMIT/i.test(sql)) return before.some((earlier) => WRITES.test(earlier)) ? "COMMIT" : undefined;
  return WRITES.exec(sql)?.[0].replaceAll(/\s+/g, " ");
}

function requestName({ method, path }: { readonly method: string; readonly path: string }): string | undefined {
  if (method === "GET") return undefined;
  const [place = "", query = ""] = path.split("?");
  const parts = place.split("/");
  const at = parts.findIndex((part) => part === "tenants" || part === "authpolicies" || part === "configmaps");
  if (at < 0) return undefined;
  const manager = new URLSearchParams(query).get("fieldManager") ?? "";
  return [method, parts[at], ...parts.slice(at + 2), manager].filter((part) => part !== "").join(" ");
}
