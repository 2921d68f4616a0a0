import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";

const REPO = resolve(import.meta.dirname, "..");
const WITHIN_MS = 90_000;

interface Outcome {
  code: number | null;
  output: string;
  /** What it left in the folder for temporary files. */
  left: string[];
  /** Each step's number and title, with what was expected and what came. */
  steps: { title: string; expected: string[]; came: string[] }[];
}

/** `node examples/clinic/tour.ts --once` in this checkout, or in a copy of it. */
async function runTour(root: string): Promise<Outcome> {
  const { FORCE_COLOR: _, ...env } = process.env;
  const temporary = await mkdtemp(join(tmpdir(), "heauth-e2e-"));
  const child = spawn("node", ["examples/clinic/tour.ts", "--once"], {
    cwd: root,
    env: { ...env, NO_COLOR: "1", TMPDIR: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const late = setTimeout(() => child.kill("SIGTERM"), WITHIN_MS);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(late);
  const left = await readdir(temporary);
  await rm(temporary, { recursive: true, force: true });
  const steps = output.split(/^(?=\d+\. )/m).slice(1);
  const lines = (step: string, name: string) =>
    [...step.matchAll(new RegExp(`^ +${name} +(.+)$`, "gm"))].map(([, text = ""]) => text);
  return {
    code,
    output,
    left,
    steps: steps.map((step) => ({
      title: step.split("\n", 1)[0] ?? "",
      expected: lines(step, "expected"),
      came: lines(step, "came"),
    })),
  };
}

describe("the tour", () => {
  test(
    "goes as it should, step by step, and leaves nothing behind",
    async () => {
      const { code, output, left, steps } = await runTour(REPO);
      expect([code, output]).toEqual([0, expect.stringContaining("The tour went as it should.")]);
      expect(steps.map(({ title, expected }) => [title, ...expected])).toEqual([
        ["1. Create the first admin of the tenant acme", "exit 0", "200"],
        ["2. The admin creates a user with the role nurse", "201"],
        ["3. The nurse logs in: this opens a session, which is a block", "200"],
        ["4. Read a patient: any session may", "200"],
        ["5. Write a patient: only doctors may", "403"],
        ["6. No token at all", "401"],
        [expect.stringMatching(/^7\. A token with one character changed/), "401", "BadSignature"],
        [expect.stringMatching(/^8\. Log out/), "200"],
        [expect.stringMatching(/^9\. The old token/), "401", "SessionClosed"],
        [expect.stringMatching(/^10\. The closed block/), "closed by Logout", "holds the read and the refused write"],
        ["11. Verify the ledger against the anchor", "exit 0 (intact)"],
        [
          expect.stringMatching(/^12\. Somebody with the database changes/),
          "exit 1 (tampered)",
          expect.stringMatching(/^names /),
        ],
        ["13. Put it back", "exit 0 (intact)"],
      ]);
      for (const { expected, came } of steps) {
        expect(came.map((text) => text.replace(/ ✔.*$/, ""))).toEqual(expected);
      }
      expect(output).not.toContain("✘");
      expect(left).toEqual([]);
    },
    WITHIN_MS + 10_000,
  );

  test(
    "fails when anything comes out another way",
    async () => {
      const root = await mkdtemp(join(tmpdir(), "heauth-copy-"));
      try {
        await cp(join(REPO, "examples"), join(root, "examples"), { recursive: true });
        await symlink(join(REPO, "node_modules"), join(root, "node_modules"));
        await writeFile(join(root, "package.json"), '{"type": "module"}');
        const policy = join(root, "examples/clinic/resources/policy.yaml");
        const text = await readFile(policy, "utf8");
        const open = text.replace("access: Roles\n    roles: [doctor]", "access: Authenticated");
        expect(open).not.toBe(text);
        await writeFile(policy, open);
        const { code, output, left, steps } = await runTour(root);
        expect([code, output]).toEqual([1, expect.stringContaining("step 5: expected 403, came 200")]);
        expect(left).toEqual([]);
        expect(steps.at(-1)?.title).toBe("5. Write a patient: only doctors may");
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
    WITHIN_MS + 10_000,
  );
});
