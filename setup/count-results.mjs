// count-results.mjs ok|failed RESULTS…: sums up the outcome of `make check` and jest's JSON results. Runs on any Node ≥ 20.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [check, ...files] = process.argv.slice(2);
const problems = check === "ok" ? [] : ["make check failed"];
let passed = 0;

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function count({ testResults }) {
  for (const suite of testResults) {
    const name = relative(process.cwd(), suite.name);
    if (suite.status === "failed" && suite.assertionResults.every(({ status }) => status !== "failed")) {
      problems.push(`${name}: could not be run`);
    }
    for (const { status, fullName } of suite.assertionResults) {
      if (status === "passed") passed += 1;
      else problems.push(`${name}: ${fullName} (${status === "failed" ? "failed" : `skipped: ${status}`})`);
    }
  }
}

for (const file of files) {
  const results = read(file);
  const before = passed + problems.length;
  if (results === undefined) problems.push("the tests did not run to their end");
  else count(results);
  if (passed + problems.length === before) problems.push("there are no tests");
}

if (problems.length > 0) console.log(["", "Failed:", ...problems.map((problem) => `  ${problem}`), ""].join("\n"));
console.log(`${passed} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
