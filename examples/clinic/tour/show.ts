/** What the tour prints: each step with what was asked, what was expected and what came. */
import pc from "picocolors";

/** A step whose outcome was not the one that was promised. */
export class Difference extends Error {}

let number = 0;

export function title(text: string): void {
  number += 1;
  console.log(`\n${pc.bold(`${number}. ${text}`)}`);
}

export function request(text: string): void {
  console.log(`   ${pc.dim("request ")} ${text}`);
}

export function note(text: string): void {
  for (const line of text.trimEnd().split("\n")) console.log(`   ${pc.dim(line)}`);
}

/**
 * Prints what was expected beside what came.
 * @throws Difference when they are not the same: the tour ends there, and the command fails.
 */
export function compare(expected: string, came: string, details = ""): void {
  const same = expected === came;
  console.log(`   ${pc.dim("expected")} ${expected}`);
  console.log(
    `   ${pc.dim("came    ")} ${same ? pc.green(`${came} ✔`) : pc.red(`${came} ✘`)}${details && ` ${pc.dim(details)}`}`,
  );
  if (!same) throw new Difference(`step ${number}: expected ${expected}, came ${came}`);
}
