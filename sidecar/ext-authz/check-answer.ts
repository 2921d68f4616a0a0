import type { ServerResponse } from "node:http";
import { type Decision, reasons } from "@heauth/core/policy";
import { ACCESS_COOKIE, REFRESH_COOKIE, withoutCookies } from "@heauth/core/tokens";
import { problem, problemContentType } from "@heauth/program";
import type { CheckAnswer, CheckRequest } from "../authorize.ts";

/**
 * Envoy takes any 5xx of an authoriser as a failure and drops its body; the bootstrap turns this status into 503 and keeps body and
 * headers (`local_reply_config`).
 */
const UNAVAILABLE = 477;

/** Answers Envoy: 200 with what to change on the way to the app, or what the client is to be told. */
export function sendCheckAnswer(response: ServerResponse, request: CheckRequest, answer: CheckAnswer): void {
  if (answer.decision.effect === "Allow") sendAllowed(response, request, answer);
  else sendDenied(response, answer);
}

function sendAllowed(response: ServerResponse, { credentials }: CheckRequest, { decision }: CheckAnswer): void {
  const headers: Record<string, string> = { ...decision.setHeaders };
  const { maxRequestDurationMs } = decision;
  if (maxRequestDurationMs !== undefined) headers["grpc-timeout"] = grpcTimeout(maxRequestDurationMs);
  const remove = [...decision.removeHeaders];
  if (decision.forwardCredential !== "AuthorizationHeader") remove.push("authorization");
  const cookies = credentials.cookie.join("; ");
  const secret = decision.forwardCredential === "Cookie" ? [REFRESH_COOKIE] : [ACCESS_COOKIE, REFRESH_COOKIE];
  const kept = withoutCookies(cookies, secret);
  if (kept === "") remove.push("cookie");
  else if (kept !== cookies) headers["cookie"] = kept;
  if (remove.length > 0) headers["x-envoy-auth-headers-to-remove"] = remove.join(",");
  response.writeHead(200, headers).end();
}

/**
 * How Envoy is told the longest duration of one request, streams included (gRPC over HTTP/2, Timeout: at most eight digits). Its
 * own header for that is not looked at after the route is chosen.
 */
function grpcTimeout(ms: number): string {
  return ms < 100_000_000 ? `${ms}m` : `${Math.ceil(ms / 1000)}S`;
}

function sendDenied(response: ServerResponse, { decision, record }: CheckAnswer): void {
  const { status, reason: name = "NoRule" } = decision;
  const always = { "cache-control": "no-store", ...(record === undefined ? {} : { "x-heauth-record": record }) };
  if (decision.redirectTo !== undefined) {
    response.writeHead(302, { ...always, location: decision.redirectTo }).end();
    return;
  }
  const { code, detail } = reasons[name];
  const body = problem({
    status,
    code,
    title: titles[status],
    detail,
    ...(record === undefined ? {} : { instance: `urn:heauth:record:${record}` }),
  });
  response
    .writeHead(status === 503 ? UNAVAILABLE : status, {
      ...always,
      "content-type": problemContentType,
      ...(status === 401 ? { "www-authenticate": 'Bearer realm="heauth"' } : {}),
      ...(decision.retryAfter === undefined ? {} : { "retry-after": String(decision.retryAfter) }),
    })
    .end(`${JSON.stringify(body)}\n`);
}

const titles: Readonly<Record<Decision["status"], string>> = {
  200: "OK",
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  503: "Service unavailable",
};
