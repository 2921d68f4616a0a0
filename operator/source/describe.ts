import { describeProblem } from "@heauth/core/resources";
import type { SourceProblem } from "./source.ts";

/** One line: file, line, field, value, what is expected. */
export function describeSourceProblem(problem: SourceProblem): string {
  const { file, line } = problem;
  if (file === undefined) return describeProblem(problem);
  return `${file}${line === undefined ? "" : `:${line}`}: ${describeProblem(problem)}`;
}
