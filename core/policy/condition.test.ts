import { describe, expect, test } from "@jest/globals";
import { type ConditionFacts, prepareCondition } from "./condition.ts";

const facts = (query = "", roles = ["doctor"]): ConditionFacts => ({
  request: { method: "GET", path: "/patients/42", query },
  session: { id: "s", subject: "42", roles, tenant: "acme" },
});

function evaluate(expression: string, given: ConditionFacts = facts()) {
  const prepared = prepareCondition(expression);
  if (!prepared.ok) throw new Error(prepared.expected);
  return prepared.evaluate(given);
}

test.each([
  ["request.method != 'DELETE' || 'admin' in session.roles", "True"],
  ["request.path == '/patients/' + session.subject", "True"],
  ["request.path.startsWith('/staff')", "False"],
  ["request.path.endsWith('42') && request.path.contains('pat')", "True"],
  ["session.tenant == 'acme' && size(session.roles) == 1", "True"],
  ["session.roles.exists(role, role.startsWith('doc'))", "True"],
  ["session.roles.all(role, role == 'nurse')", "False"],
  ["size(session.roles.filter(role, role != 'doctor')) == 0", "True"],
  ["session.roles[0] == 'doctor'", "True"],
  ["session.roles[3] == 'doctor'", "Error"],
  ["1 / (size(session.roles) - 1) == 1", "Error"],
  ["request.query['x'] == ['1']", "Error"],
  ["'x' in request.query && request.query['x'] == ['1']", "False"],
  ["session.subject == '42' ? true : false", "True"],
])("%s is %s", (expression, expected) => {
  expect(evaluate(expression)).toBe(expected);
});

test("the query is decoded, with every value of a parameter", () => {
  const given = facts("a=1&b=%2F+x&a=2&__proto__=p&c");
  expect(evaluate("request.query['a'] == ['1', '2'] && request.query['b'] == ['/ x']", given)).toBe("True");
  expect(evaluate("request.query['__proto__'] == ['p'] && request.query['c'] == ['']", given)).toBe("True");
  expect(evaluate("'constructor' in request.query", given)).toBe("False");
});

test("a query of more parameters than are looked at is an error, and only where it is looked at", () => {
  const given = facts(Array.from({ length: 65 }, (_, index) => `p${index}=1`).join("&"));
  expect(evaluate("'p0' in request.query", given)).toBe("Error");
  expect(evaluate("session.subject == '42'", given)).toBe("True");
});

describe("is refused", () => {
  test.each([
    ["no CEL", "request.method ==", "well typed"],
    ["an unknown name", "user.name == 'x'", "well typed"],
    ["an unknown field", "request.headers == {}", "well typed"],
    ["an unknown field in has()", "has(session.blocked)", "session has no blocked"],
    ["a number", "1 + 1", "yields bool, not int"],
    ["a text", "session.subject", "yields bool"],
    ["a value of any type", "dyn(true)", "yields bool"],
    ["types that don't meet", "session.subject == 1", "well typed"],
    ["a regular expression", "request.path.matches('^(a+)+$')", "matches() is not available"],
    ["a conversion", "bool(session.subject)", "bool() is not available"],
    ["a split", "request.path.split('/')[0] == ''", "split() is not available"],
    ["a binding", "cel.bind(x, session.roles, 'a' in x)", "not available"],
    ["the clock", "timestamp('2026-01-01T00:00:00Z') == timestamp('2026-01-01T00:00:00Z')", "not available"],
    ["a long one", `${"true || ".repeat(150)}true`, "at most 1024 characters"],
    ["a large one", `${"true||".repeat(120)}true`, "maxAstNodes"],
    ["a deep one", `${"!(".repeat(40)}true${")".repeat(40)}`, "maxDepth"],
    ["a dear one", "session.roles.all(a, session.roles.all(b, session.roles.all(c, a == b)))", "cost"],
  ])("%s", (_, expression, expected) => {
    expect(prepareCondition(expression)).toEqual({ ok: false, expected: expect.stringContaining(expected) });
  });
});
