/** Requests as the tour makes them: printed, sent, and compared with what was expected. */
import { compare, request } from "./show.ts";

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface Ask {
  method?: string;
  url: string;
  token?: string;
  json?: unknown;
  text?: string;
  expect: number;
  /** Asks again for so many milliseconds as long as another status comes: for what is promised within a bound, not at once. */
  within?: number;
}

/** Prints the request, sends it, and fails the tour when another status comes. */
export async function ask(question: Ask): Promise<Answer> {
  const { method = "GET", url, token, expect, within = 0 } = question;
  request(`${method} ${url}${token ? `  Authorization: Bearer ${token.slice(0, 12)}…${token.slice(-6)}` : ""}`);
  const start = performance.now();
  let { response, answer } = await send(question);
  while (response.status !== expect && performance.now() - start < within)
    ({ response, answer } = await send(question));
  const after = within > 0 ? `after ${Math.round(performance.now() - start)} ms ` : "";
  compare(String(expect), String(response.status), after + shorten(answer));
  return { status: response.status, headers: response.headers, body: parse(answer) };
}

async function send({ method = "GET", url, token, json, text }: Ask): Promise<{ response: Response; answer: string }> {
  const body = json === undefined ? text : JSON.stringify(json);
  const response = await fetch(url, {
    method,
    redirect: "manual",
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body }),
  });
  return { response, answer: await response.text() };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** One line; tokens are not for the screen. */
function shorten(text: string): string {
  const line = text.trim().replaceAll(/("(?:access|refresh)Token":")[^"]{12}[^"]*/g, "$1…");
  return line.length > 160 ? `${line.slice(0, 160)}…` : line;
}
