import type { IncomingMessage } from "node:http";
import { expect, test } from "@jest/globals";
import { readCheckRequest } from "./check-request.ts";

const asked = (rawHeaders: string[], more: { method?: string; url?: string } = {}) =>
  readCheckRequest({ method: "GET", url: "/check/orders?a=1", rawHeaders, ...more } as IncomingMessage);

test("everything that a decision or a record needs", () => {
  const headers = {
    Host: "shop.test",
    Origin: "https://shop.test",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    Upgrade: "websocket",
    "User-Agent": "curl/8",
    "X-Request-Id": "r-1",
    "X-Heauth-Peer": "192.0.2.1",
    "X-Forwarded-For": "203.0.113.9,192.0.2.1",
    Authorization: "Bearer t",
    Cookie: "a=b",
    Accept: "*/*",
  };
  expect(asked(Object.entries(headers).flat(), { method: "POST" })).toEqual({
    facts: {
      method: "POST",
      target: "/orders?a=1",
      host: "shop.test",
      origin: "https://shop.test",
      secFetchSite: "same-origin",
      secFetchMode: "navigate",
      upgrade: "websocket",
    },
    credentials: { authorization: ["Bearer t"], cookie: ["a=b"] },
    requestId: "r-1",
    peer: "192.0.2.1",
    forwardedFor: "203.0.113.9,192.0.2.1",
    userAgent: "curl/8",
  });
});

test("a second credential is not hidden behind the first", () => {
  const { credentials } = asked(["Authorization", "a", "authorization", "b", "Cookie", "c=1", "COOKIE", "c=2"]) ?? {};
  expect(credentials).toEqual({ authorization: ["a", "b"], cookie: ["c=1", "c=2"] });
});

test("a header that is sent twice means neither value", () => {
  const { facts, requestId } =
    asked(["origin", "https://a", "origin", "https://b", "x-request-id", "1", "x-request-id", "2"]) ?? {};
  expect(facts?.origin).toBe("https://a, https://b");
  expect(requestId).toBe("1, 2");
});

test("a list that comes in two headers is one list", () => {
  expect(asked(["x-forwarded-for", "203.0.113.9", "x-forwarded-for", "192.0.2.1"])?.forwardedFor).toBe(
    "203.0.113.9, 192.0.2.1",
  );
});

test.each(["/", "/healthz", "/chec", "//check/orders"])("%s is not how Envoy asks", (url) => {
  expect(asked([], { url })).toBeUndefined();
});
