import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "@jest/globals";
import { freePort } from "./free-port.ts";

test("a port that can be listened on, and that neither an outgoing connection nor a NodePort takes", async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
  for (const port of ports) expect(port).toBeLessThan(30_000);
  const server = createServer().listen(ports[0], "127.0.0.1");
  await once(server, "listening");
  server.close();
  await once(server, "close");
});
