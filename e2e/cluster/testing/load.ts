import { eventually } from "../../faults/eventually.ts";
import type { Cluster } from "../cluster.ts";
import { type Asker, askFrom, type Question } from "./ask.ts";

/** What a request of a load came to. */
export interface Outcome {
  /** Its `X-Request-Id`. */
  readonly id: string;
  /** Whether it went over a connection that stays. */
  readonly kept: boolean;
  /** 0: no answer came. */
  readonly status: number;
  /** Whose app answered; empty where Envoy did. */
  readonly pod: string;
  /** Why no answer came: `ECONNREFUSED`, `ECONNRESET`, `EOF`, …; empty where one came. */
  readonly failure: string;
  /** By the node's clock, as `Date.now()` tells it. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

/** Each connection asks again when it has its answer and `restMs` are over. Ends by itself after `seconds`. */
export interface LoadOrder {
  readonly url: string;
  readonly token: string;
  /** Connections that stay. */
  readonly kept: number;
  /** How many ask by a new connection each time. */
  readonly fresh: number;
  readonly restMs: number;
  readonly seconds: number;
}

/** Requests that a pod makes by itself, each with an id of its own: it goes on while nobody can be reached by kubectl. */
export interface Load {
  /** What came of them until now. Rejects while the pod can't be asked. */
  outcomes(): Promise<readonly Outcome[]>;
  /** The first outcome, from the load's beginning, that is as asked for; rejects when there is none within a minute. */
  until(wanted: (outcome: Outcome) => boolean): Promise<Outcome>;
  /** Ends it when all requests under way have been answered or have failed. Safe to call twice. */
  stop(): Promise<readonly Outcome[]>;
}

const WAIT_MS = 60_000;

/**
 * Has a pod of the echo image make requests that change something (PUT /load/ID). The client there does not try again what was sent:
 * each failure is an outcome.
 */
export async function startLoad(cluster: Cluster, from: Asker, order: LoadOrder): Promise<Load> {
  const ask = async (question: Omit<Question, "url">, query = "") => {
    const { status, body } = await askFrom(cluster, from, { ...question, url: `http://127.0.0.1:8080/loads${query}` });
    if (status !== 200) throw new Error(`the load answered ${status}: ${body}`);
    return body;
  };
  const number = Number(await ask({ method: "POST", json: { method: "PUT", ...order } }));
  const known: Outcome[] = [];
  let last: Promise<readonly Outcome[]> = Promise.resolve(known);

  async function fetch(method: "GET" | "DELETE"): Promise<readonly Outcome[]> {
    known.push(...JSON.parse(await ask({ method }, `?load=${number}&from=${known.length}`)));
    return known;
  }

  /** One after another: each goes on where the last one ended. */
  function next(method: "GET" | "DELETE"): Promise<readonly Outcome[]> {
    last = last.catch(() => {}).then(() => fetch(method));
    return last;
  }

  return {
    outcomes: () => next("GET"),
    stop: () => next("DELETE"),
    async until(wanted) {
      const found = await eventually(
        async () => (await next("GET")).find(wanted),
        (outcome) => outcome !== undefined,
        WAIT_MS,
      );
      if (found === undefined) throw new Error(`not within ${WAIT_MS} ms: ${tally(known)}`);
      return found;
    },
  };
}

/** How many came to each status, or failed, for a look at what happened. */
export function tally(outcomes: readonly Outcome[]): string {
  const counts: Record<string, number> = {};
  for (const { status, failure } of outcomes) counts[failure || status] = (counts[failure || status] ?? 0) + 1;
  return JSON.stringify(counts);
}
