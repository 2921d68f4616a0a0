// A program for tests: `parent.ts STOP_WITHIN_MS SCRIPT` keeps a shell script running as its child, and prints the child's pid when
// the child has said a line.
import { createChild } from "../child.ts";
import { createLogs } from "../logs.ts";

const { log } = createLogs({ program: "parent", level: "silent" });
const [stopWithinMs = "", script = ""] = process.argv.slice(2);
const said = Promise.withResolvers<void>();
const child = createChild({
  name: "script",
  log,
  command: () => ({ command: "/bin/sh", args: ["-c", script] }),
  readyWithinMs: 30_000,
  stopWithinMs: Number(stopWithinMs),
  onLine: () => said.resolve(),
  ready: () => said.promise,
});
await child.start();
console.log(child.pid());
