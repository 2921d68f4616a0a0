import { createServer as createTcpServer } from "node:net";
import { CallError, createServer, GrpcHealth, ServingStatus } from "@heauth/protocol";
import { afterEach, expect, test } from "@jest/globals";
import { checkOf, kubeletChecksText } from "./kubelet-checks.ts";
import { perform } from "./perform.ts";
import { listening } from "./testing/app.ts";

const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function checked(does: object, address = "127.0.0.1") {
  const check = checkOf(
    kubeletChecksText.parse(JSON.stringify({ "app/liveness": { timeoutSeconds: 60, ...does } })),
    "app/liveness",
  );
  if (check === undefined) throw new Error("no check");
  return perform(check, { address, healthPort: 15_020 }, never);
}

async function serving(status: (service: string) => ServingStatus) {
  const server = createServer(GrpcHealth, {
    maxMessageBytes: 1024,
    maxConcurrentCalls: 10,
    keepAliveMs: 10_000,
    handlers: {
      async check({ service }) {
        if (service === "unknown") throw new CallError("NOT_FOUND", "no such service");
        if (service === "silent") await new Promise(() => {});
        return { status: status(service) };
      },
    },
    onUnexpected: () => {},
  });
  ends.push(() => server.stop(AbortSignal.abort()));
  return server.listen("127.0.0.1:0");
}

test("gRPC: the service that is recorded is asked about, and only serving is well", async () => {
  const port = await serving((service) => (service === "shop" ? ServingStatus.SERVING : ServingStatus.NOT_SERVING));
  expect(await checked({ grpc: { port, service: "shop" } })).toBeUndefined();
  expect(await checked({ grpc: { port, service: null } })).toBe("not serving");
  expect(await checked({ grpc: { port } })).toBe("not serving");
  expect(await checked({ grpc: { port, service: "unknown" } })).toBe("NOT_FOUND");
});

test("gRPC: no answer in time, and nobody there", async () => {
  const port = await serving(() => ServingStatus.SERVING);
  expect(await checked({ grpc: { port, service: "silent" }, timeoutSeconds: 1 })).toBe("no answer in time");
  const { port: gone, stop } = await listening(createTcpServer(), "127.0.0.1");
  await stop();
  expect(await checked({ grpc: { port: gone } })).toBe("UNAVAILABLE");
});

test("TCP: a connection is enough", async () => {
  const { port, stop } = await listening(createTcpServer(), "127.0.0.1");
  expect(await checked({ tcpSocket: { port } })).toBeUndefined();
  expect(await checked({ tcpSocket: { port } }, "127.0.0.9")).toBe("ECONNREFUSED");
  await stop();
  expect(await checked({ tcpSocket: { port } })).toBe("ECONNREFUSED");
});

test("what ends ends its checks", async () => {
  const port = await serving(() => ServingStatus.SERVING);
  const ending = new AbortController();
  const check = checkOf(
    kubeletChecksText.parse(`{"app/pre-stop":{"grpc":{"port":${port},"service":"silent"}}}`),
    "app/pre-stop",
  );
  if (check === undefined) throw new Error("no check");
  const outcome = perform(check, { address: "127.0.0.1", healthPort: 15_020 }, ending.signal);
  ending.abort();
  expect(await outcome).toEqual(expect.any(String));
});
