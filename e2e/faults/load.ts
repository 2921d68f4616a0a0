import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** What a request of the load came to. Status 0: no answer came, the connection broke. */
export interface Outcome {
  readonly id: string;
  readonly status: number;
  /** By `performance.now()`. */
  readonly sentAt: number;
  readonly answeredAt: number;
  /** `code` of a problem document; empty where the body is none. */
  readonly code: string;
  readonly retryAfter: string | undefined;
  /** Why no answer came: `ECONNREFUSED`, `ECONNRESET`, …; empty where one came. */
  readonly failure: string;
}

export interface LoadOptions {
  /** Base URL of the app behind Envoy. */
  url: string;
  connections: number;
  /** Between an answer and the connection's next request, ms; none unless given. */
  restMs?: number;
  /** What to ask next. */
  next(): { method?: string; path: string; token?: string };
}

/** Requests over keep-alive connections, each with an id of its own, until it is stopped. */
export interface Load {
  /** Grows while it runs. */
  readonly outcomes: readonly Outcome[];
  /** Resolves with the first outcome from now on that is as asked for; rejects when there is none within a minute. */
  until(wanted: (outcome: Outcome) => boolean): Promise<Outcome>;
  /** Ends it when all requests under way have been answered or have failed. */
  stop(): Promise<readonly Outcome[]>;
}

/** Who is away says so at once: no need to ask thousands of times. */
const AWAY_REST_MS = 20;
/** Against hanging only: what is awaited takes a second or two, and more on two busy cores. */
const WAIT_MS = 60_000;
/** A request that takes longer than this counts as not answered: far longer than any timeout on the way. */
const GIVE_UP_MS = 30_000;

export function startLoad({ url, connections, restMs = 0, next }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const outcomes: Outcome[] = [];
  const waiting = new Set<{ wanted: (outcome: Outcome) => boolean; resolve: (outcome: Outcome) => void }>();

  function until(wanted: (outcome: Outcome) => boolean): Promise<Outcome> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const late = () => reject(new Error(`not within ${WAIT_MS} ms: ${JSON.stringify(tally(outcomes))}`));
    const timer = setTimeout(late, WAIT_MS);
    waiting.add({ wanted, resolve });
    return promise.finally(() => clearTimeout(timer));
  }
  let stopped = false;

  async function run(): Promise<void> {
    while (!stopped) {
      const outcome = await ask(agent, url, next());
      outcomes.push(outcome);
      for (const one of waiting) {
        if (!one.wanted(outcome)) continue;
        waiting.delete(one);
        one.resolve(outcome);
      }
      const rest = outcome.status === 0 || outcome.status === 503 ? Math.max(restMs, AWAY_REST_MS) : restMs;
      if (rest > 0) await pause(rest);
    }
  }
  const running = Array.from({ length: connections }, run);

  return {
    outcomes,
    until,
    async stop() {
      stopped = true;
      await Promise.all(running);
      agent.destroy();
      return outcomes;
    },
  };
}

/** One request with an id of its own. */
export function ask(
  agent: Agent | undefined,
  url: string,
  { method = "GET", path, token }: { method?: string; path: string; token?: string },
): Promise<Outcome> {
  const id = randomUUID();
  const sentAt = performance.now();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const end = (status: number, code: string, retryAfter?: string) =>
    resolve({ id, status, sentAt, answeredAt: performance.now(), code, retryAfter, failure: "" });
  const fail = ({ code: failure = "unknown" }: NodeJS.ErrnoException) =>
    resolve({ id, status: 0, sentAt, answeredAt: performance.now(), code: "", retryAfter: undefined, failure });
  const headers = { "x-request-id": id, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const signal = AbortSignal.timeout(GIVE_UP_MS);
  request(`${url}${path}`, { method, agent, headers, signal }, (response) => {
    const { statusCode = 0, headers: answered } = response;
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    response.on("end", () => end(statusCode, codeOf(answered["content-type"], body), answered["retry-after"]));
    response.on("error", fail);
  })
    .on("error", fail)
    .end();
  return promise;
}

function codeOf(contentType: string | undefined, body: string): string {
  return contentType?.startsWith("application/problem+json") ? String(JSON.parse(body).code) : "";
}

/** How many came to each status, for a look at what happened. */
export function tally(outcomes: readonly Outcome[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
