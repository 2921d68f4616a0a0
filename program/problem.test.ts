import { expect, test } from "@jest/globals";
import { problem } from "./problem.ts";

test("a problem document carries its code, also in its type", () => {
  expect(problem({ status: 401, code: "NoSession", title: "No session", detail: "Log in", instance: "/x" })).toEqual({
    type: "https://heauth.io/problems/NoSession",
    title: "No session",
    status: 401,
    code: "NoSession",
    detail: "Log in",
    instance: "/x",
  });
});

test("leaves out what it was not given", () => {
  const body = problem({
    status: 400,
    code: "Invalid",
    title: "Invalid",
    errors: [{ pointer: "/a", detail: "too short" }],
  });
  expect(Object.keys(body)).toEqual(["type", "title", "status", "code", "errors"]);
});
