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
}

/** Prints the request, sends it, and fails the tour when another status comes. */
export async function ask({ method = "GET", url, token, json, text, expect }: Ask): Promise<Answer> {
  const body = json === undefined ? text : JSON.stringify(json);
  request(`${method} ${url}${token ? `  Authorization: Bearer ${token.slice(0, 12)}…${token.slice(-6)}` : ""}`);
  const response = await fetch(url, {
    method,
    redirect: "manual",
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const answer = await response.text();
  compare(String(expect), String(response.status), shorten(answer));
  return { status: response.status, headers: response.headers, body: parse(answer) };
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
