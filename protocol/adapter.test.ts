import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  CallError,
  connect,
  createServer,
  fromStatus,
  type Handlers,
  Hub,
  type ServiceClient,
  type ServiceServer,
  SessionStatus,
} from "./index.ts";

type HubMethods = typeof Hub extends { method: infer M } ? M : never;

const handlers: Handlers<HubMethods> = {
  sync(call) {
    call.on("data", (request) => {
      if (request.message.case === "probe") {
        call.write({ message: { case: "probeAnswer", value: { nonce: request.message.value.nonce, ageUs: 7n } } });
      }
    });
    call.on("end", () => call.end());
  },
  async lookUpSessions(request, context) {
    switch (request.tenant) {
      case "busy":
        throw new CallError("RESOURCE_EXHAUSTED", "overloaded", { retryAfterMs: 250 });
      case "mistake":
        throw new TypeError("secret detail");
      case "hang":
        return await new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        });
      default:
        return {
          sessions: request.sessions.map((session) => ({ session, status: SessionStatus.OPEN, generation: 3n })),
        };
    }
  },
  async lookUpJournals() {
    return {};
  },
  async registerJournal() {
    throw new CallError("PERMISSION_DENIED", "not yours");
  },
  async appendSegments(request) {
    return { nextNumber: BigInt(request.segments.length), nextSeq: 0n };
  },
};

let folder: string;
let server: ServiceServer;
let client: ServiceClient<HubMethods>;
let unexpected: unknown[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "heauth-adapter-"));
  chmodSync(folder, 0o700);
  unexpected = [];
  server = createServer(Hub, {
    handlers,
    maxMessageBytes: 64 * 1024,
    maxConcurrentCalls: 100,
    keepAliveMs: 10_000,
    onUnexpected: (error) => unexpected.push(error),
  });
  const target = `unix:${join(folder, "hub.sock")}`;
  await server.listen(target);
  client = connect(Hub, { target, maxMessageBytes: 64 * 1024, maxReconnectMs: 200 });
});

afterEach(async () => {
  client.close();
  await server.stop(AbortSignal.abort());
  rmSync(folder, { recursive: true });
});

function lookUp(tenant: string, deadlineMs = 20_000) {
  return client.call("lookUpSessions", { tenant, sessions: ["a", "b"] }, { deadlineMs });
}

describe("a unary call", () => {
  test("carries messages both ways, with fields left out at their defaults", async () => {
    const { sessions } = await lookUp("t");
    expect(sessions.map((s) => [s.session, s.status, s.generation, s.subject])).toEqual([
      ["a", SessionStatus.OPEN, 3n, ""],
      ["b", SessionStatus.OPEN, 3n, ""],
    ]);
  });

  test("says its status, and how long to wait", async () => {
    await expect(lookUp("busy")).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "overloaded",
      retryAfterMs: 250,
    });
  });

  test("tells nothing of a mistake of ours, but to the log", async () => {
    await expect(lookUp("mistake")).rejects.toMatchObject({ code: "INTERNAL", message: "internal error" });
    expect(unexpected).toHaveLength(1);
  });

  test("ends at its deadline, and the handler hears of it", async () => {
    await expect(lookUp("hang", 50)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(unexpected).toEqual([]);
  });

  test("ends when its signal aborts", async () => {
    const signal = AbortSignal.timeout(50);
    await expect(client.call("lookUpSessions", { tenant: "hang" }, { deadlineMs: 5000, signal })).rejects.toMatchObject(
      { code: "CANCELLED" },
    );
    await expect(client.call("lookUpSessions", { tenant: "t" }, { deadlineMs: 5000, signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });

  test("is refused when its message is too long, and the connection stays", async () => {
    const segments = [{ records: new Uint8Array(70 * 1024) }];
    await expect(
      client.call("appendSegments", { tenant: "t", journal: "j", segments }, { deadlineMs: 20_000 }),
    ).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect((await lookUp("t")).sessions).toHaveLength(2);
  });

  test("is UNAVAILABLE where nobody listens", async () => {
    const nobody = connect(Hub, {
      target: `unix:${join(folder, "no.sock")}`,
      maxMessageBytes: 1024,
      maxReconnectMs: 100,
    });
    await expect(nobody.call("lookUpSessions", { tenant: "t" }, { deadlineMs: 20_000 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    nobody.close();
  });
});

describe("a stream", () => {
  test("answers in order and ends", async () => {
    const stream = client.open("sync");
    stream.write({ message: { case: "probe", value: { nonce: 1n } } });
    stream.write({ message: { case: "probe", value: { nonce: 2n } } });
    stream.end();
    const nonces: bigint[] = [];
    for await (const { message } of stream) if (message.case === "probeAnswer") nonces.push(message.value.nonce);
    expect(nonces).toEqual([1n, 2n]);
  });

  test("breaks when the server goes", async () => {
    const stream = client.open("sync");
    stream.write({ message: { case: "probe", value: { nonce: 1n } } });
    const { promise, resolve } = Promise.withResolvers<CallError>();
    stream.on("error", (error) => resolve(fromStatus(error)));
    stream.once("data", () => server.stop(AbortSignal.abort()));
    expect(await promise).toBeInstanceOf(CallError);
  });
});
