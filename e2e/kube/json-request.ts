import { type RequestOptions as HttpOptions, request as http } from "node:http";
import { request as https } from "node:https";
import { pause } from "@heauth/program";

export interface JsonRequest {
  readonly method?: "GET" | "POST";
  readonly url: string;
  /** PEM. */
  readonly ca?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  /** The body as it came. */
  readonly text: string;
}

/** One request on a connection of its own. Rejects when there is no answer. */
export async function jsonRequest({ method, url, ca, body, signal }: JsonRequest): Promise<JsonAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<JsonAnswer>();
  const options: HttpOptions & { ca?: string } = {
    method: method ?? "GET",
    agent: false,
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" } }),
    ...(ca === undefined ? {} : { ca }),
    ...(signal === undefined ? {} : { signal }),
  };
  const sent = (url.startsWith("https:") ? https : http)(url, options, (answer) => {
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    answer.on("error", reject);
  });
  sent.on("error", reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return await promise;
}

const LOOK_AGAIN_MS = 50;

/** Asks until `good` says so; a server that does not answer yet is asked again. */
export async function untilAnswered(
  request: JsonRequest & { readonly signal: AbortSignal },
  good: (answer: JsonAnswer) => boolean,
): Promise<JsonAnswer> {
  for (;;) {
    const answer = await jsonRequest(request).catch(() => undefined);
    if (answer !== undefined && good(answer)) return answer;
    request.signal.throwIfAborted();
    await pause(LOOK_AGAIN_MS, request.signal);
  }
}
