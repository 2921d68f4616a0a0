import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";

export interface Question {
  readonly url: string;
  /** GET unless given. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** An access token. */
  readonly token?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A pod of the echo image. */
export interface Asker {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
}

/** Sends a request from inside a pod. Rejects where no answer comes: nobody listens there, or the connection was cut. */
export async function askFrom(cluster: Cluster, from: Asker, question: Question): Promise<Answer> {
  const { url, method = "GET", headers = {}, body = "", token, json } = question;
  const asked = {
    url,
    method,
    body: json === undefined ? body : JSON.stringify(json),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(json !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
  };
  const container = from.container === undefined ? [] : [`--container=${from.container}`];
  const args = [`--namespace=${from.namespace}`, "exec", "--stdin", from.pod, ...container, "--", "echo", "ask"];
  return JSON.parse(await must(cluster.kubectl(args, JSON.stringify(asked))));
}
