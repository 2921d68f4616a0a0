// A program for tests: `parent.ts SCRIPT` keeps a shell script running as its child, and prints the child's pid when the child has
// said a line.
import { createChild } from "../child.ts";
import { createLogs } from "../logs.ts";

const { log } = createLogs({ program: "parent", level: "silent" });
const said = Promise.withResolvers<void>();
const child = createChild({
  name: "script",
  log,
  command: () => ({ command: "/bin/sh", args: ["-c", process.argv[2] ?? ""] }),
  readyWithinMs: 5_000,
  stopWithinMs: 500,
  onLine: () => said.resolve(),
  ready: () => said.promise,
});
await child.start();
console.log(child.pid());
