// count-results.mjs RESULTS ok|failed: sums up jest's JSON results and the outcome of `make check`. Runs on any Node ≥ 20.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [file = "", check] = process.argv.slice(2);

function read() {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

const problems = check === "ok" ? [] : ["make check failed"];
const results = read();
if (results === undefined) problems.push("the tests did not run to their end");

let passed = 0;
for (const suite of results?.testResults ?? []) {
  const name = relative(process.cwd(), suite.name);
  if (suite.status === "failed" && suite.assertionResults.every(({ status }) => status !== "failed")) {
    problems.push(`${name}: could not be run`);
  }
  for (const { status, fullName } of suite.assertionResults) {
    if (status === "passed") passed += 1;
    else problems.push(`${name}: ${fullName} (${status === "failed" ? "failed" : `skipped: ${status}`})`);
  }
}
if (passed === 0 && problems.length === 0) problems.push("there are no tests");

if (problems.length > 0) console.log(["", "Failed:", ...problems.map((problem) => `  ${problem}`), ""].join("\n"));
console.log(`${passed} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
