// A program for tests: starts a node of our own, prints its folder and its link to this machine, and waits to be told to end.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startLocalCluster } from "../local.ts";

const cluster = await startLocalCluster();
const link = readFileSync(join(cluster.folder, "link"), "utf8");
console.log(JSON.stringify({ folder: cluster.folder, link }));
process.once("SIGTERM", () => void cluster.stop());
setInterval(() => {}, 60_000).unref();
