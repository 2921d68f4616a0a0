import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type FakeApi, json, startFakeApi, status } from "../testing/index.ts";
import type { ClusterClient } from "./client.ts";
import { openCluster } from "./cluster.ts";
import { lines } from "./lines.ts";
import { TENANTS } from "./resource-types.ts";

let api: FakeApi;
let client: ClusterClient;
let events: string[];

beforeEach(async () => {
  events = [];
  api = await startFakeApi();
  ({ client } = await openCluster({ kubeconfig: api.kubeconfig }));
});
afterEach(async () => {
  await api.stop();
});

const never = new AbortController().signal;
const follow = (signal = never) =>
  client.watch(
    TENANTS,
    { resourceVersion: "5" },
    ({ type, object }) => void events.push(`${type} ${object.metadata.name}`),
    signal,
  );
const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
const added = event("ADDED", { metadata: { name: "å" } });
const writes = (write: (response: ServerResponse) => void) => api.answer((_, response) => write(response));

test("events are read however they are cut into pieces, until the server ends it", async () => {
  const bytes = Buffer.from(added + event("BOOKMARK", { metadata: { resourceVersion: "9" } }) + added);
  writes((response) => {
    response.flushHeaders();
    for (const byte of bytes) response.write(Buffer.of(byte));
    response.end();
  });
  await follow();
  expect(events).toEqual(["ADDED å", "BOOKMARK undefined", "ADDED å"]);
  expect(api.requests[0]?.path).toBe(
    "/apis/heauth.io/v1alpha1/tenants?watch=true&resourceVersion=5&allowWatchBookmarks=true",
  );
});

test("an ERROR event ends it with what it says", async () => {
  writes((response) => response.end(added + event("ERROR", status(410, "Expired", "too old resource version"))));
  await expect(follow()).rejects.toMatchObject({ code: "Gone", message: "watch tenants: too old resource version" });
  expect(events).toEqual(["ADDED å"]);
});

test("a refusal, too", async () => {
  writes((response) => json(response, status(403, "Forbidden", "not you"), 403));
  await expect(follow()).rejects.toMatchObject({ code: "Forbidden" });
});

test.each([
  "<html>\n",
  "\n",
  "{}\n",
  "null\n",
  event("ODD", { metadata: {} }),
  event("ADDED", {}),
  event("ADDED", null),
])("a line that is no event ends it: %j", async (line) => {
  writes((response) => response.end(added + line));
  await expect(follow()).rejects.toMatchObject({ code: "ServerError" });
  expect(events).toEqual(["ADDED å"]);
});

test("a connection that breaks off in the middle of an event is Unreachable, and half an event is none", async () => {
  writes((response) => {
    response.write(added + added.slice(0, 20), () => response.destroy());
  });
  await expect(follow()).rejects.toMatchObject({ code: "Unreachable" });
  expect(events).toEqual(["ADDED å"]);
});

test("what a listener throws is its own, and ends the connection", async () => {
  const closed = Promise.withResolvers<void>();
  writes((response) => {
    response.on("close", () => closed.resolve());
    response.write(added);
  });
  const fault = new TypeError("not as it was thought");
  const failing = () => {
    throw fault;
  };
  await expect(client.watch(TENANTS, { resourceVersion: "5" }, failing, never)).rejects.toBe(fault);
  await closed.promise;
  const opening = { resourceVersion: "5", onOpen: failing };
  await expect(client.watch(TENANTS, opening, () => {}, never)).rejects.toBe(fault);
});

test("it can be given up", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  writes((response) => {
    response.write(added);
    controller.abort(reason);
  });
  await expect(follow(controller.signal)).rejects.toBe(reason);
});

test("a line without an end is not kept for ever", async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(1000);
  }
  const read = lines(endless(), 10_000);
  await expect(read.next()).rejects.toMatchObject({ code: "ServerError" });
});
