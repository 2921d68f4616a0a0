// A program for tests: starts an API server, prints its folder and process ids, and waits to be killed.
import { startApiServer } from "../index.ts";

const server = await startApiServer({ crds: false });
console.log(JSON.stringify({ folder: server.folder, pids: server.pids() }));
setInterval(() => {}, 60_000);
