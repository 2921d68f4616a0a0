// A program for tests: `candidate.ts KUBECONFIG IDENTITY LEASE_MS` campaigns for the Lease default/candidates, and prints a line of
// JSON for each thing that happens, and whether it leads, every 20 ms.
import { createLogs, createMetrics } from "@heauth/program";
import { openCluster } from "@heauth/program/kubernetes";
import { createElector } from "../runtime/elector.ts";

const [kubeconfig = "", identity = "", leaseMs = ""] = process.argv.slice(2);
const { client } = await openCluster({ kubeconfig });
const say = (what: string) => console.log(JSON.stringify({ what, leading: elector.leading(), atMs: Date.now() }));
const elector = createElector({
  client,
  namespace: "default",
  name: "candidates",
  identity,
  leaseMs: Number(leaseMs),
  async lead(lost) {
    say("leads");
    await new Promise((resolve) => lost.addEventListener("abort", resolve, { once: true }));
    say("lost");
  },
  log: createLogs({ program: identity, level: "silent" }).log,
  metrics: createMetrics(),
});
await elector.start();
say("started");
setInterval(() => say("tick"), 20);
process.once("SIGTERM", () => {
  void elector.stop(AbortSignal.timeout(5_000)).then(() => {
    say("stopped");
    process.exit(0);
  });
});
