import type { IncomingMessage } from "node:http";
import { expect, test } from "@jest/globals";
import { readCheckRequest } from "./check-request.ts";

const check = (url: string, rawHeaders: string[] = []) =>
  readCheckRequest({ method: "GET", url, rawHeaders } as IncomingMessage);

test("what Envoy asks is the path after the prefix, and the headers that decide or are recorded", () => {
  const headers = {
    Host: "clinic.example",
    Origin: "https://clinic.example",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "cors",
    Upgrade: "websocket",
    "User-Agent": "curl",
    "X-Request-Id": "r1",
    "X-Forwarded-For": "198.51.100.7, 10.0.0.1",
    "X-Heauth-Peer": "10.0.0.1",
    Accept: "text/html",
  };
  expect(check("/check/patients?page=2", Object.entries(headers).flat())).toEqual({
    facts: {
      method: "GET",
      target: "/patients?page=2",
      host: "clinic.example",
      origin: "https://clinic.example",
      secFetchSite: "same-origin",
      secFetchMode: "cors",
      upgrade: "websocket",
    },
    credentials: { authorization: [], cookie: [] },
    requestId: "r1",
    peer: "10.0.0.1",
    forwardedFor: "198.51.100.7, 10.0.0.1",
    userAgent: "curl",
  });
});

test("every credential is seen by itself, and what came twice is seen twice", () => {
  const headers = ["Authorization", "Bearer a", "authorization", "Bearer b", "Cookie", "x=1", "Cookie", "y=2"];
  const request = check("/check/", [...headers, "Origin", "https://a", "Origin", "https://b"]);
  expect(request?.credentials).toEqual({ authorization: ["Bearer a", "Bearer b"], cookie: ["x=1", "y=2"] });
  expect(request?.facts.origin).toBe("https://a, https://b");
});

test("what did not come the way that Envoy sends it is no question", () => {
  expect(check("/patients")).toBeUndefined();
});
