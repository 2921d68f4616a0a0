import type { ServerResponse } from "node:http";
import type { KubeObject } from "@heauth/program/kubernetes";
import { CONFIG_MAPS, openCluster } from "@heauth/program/kubernetes";
import { type FakeApi, type FakeRequest, json, startFakeApi, status } from "@heauth/program/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createFollower, type Follower, type Seen } from "../testing/follower.ts";
import type { InformerOptions } from "./informer.ts";

let api: FakeApi;
let follower: Follower;

beforeEach(async () => {
  api = await startFakeApi();
});
afterEach(async () => {
  await follower.informer.stop(AbortSignal.timeout(1_000));
  await api.stop();
});

const map = (name: string, text: string, resourceVersion: string, uid = name) => ({
  metadata: { namespace: "shop", name, uid, resourceVersion },
  data: { text },
});
const list = (resourceVersion: string, items: unknown[], next?: string) => ({
  metadata: { resourceVersion, ...(next && { continue: next }) },
  items,
});
const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
const bookmark = (resourceVersion: string) => event("BOOKMARK", { metadata: { resourceVersion } });

type Answer = (response: ServerResponse, request: FakeRequest) => void;
const lists =
  (resourceVersion: string, ...items: unknown[]): Answer =>
  (response) =>
    json(response, list(resourceVersion, items));
/** A watch that stays open. */
const sends =
  (...lines: string[]): Answer =>
  (response) => {
    response.flushHeaders();
    for (const line of lines) response.write(line);
  };

/** Answers lists and watches with these, in order; the last one again and again. */
async function following(
  answers: { lists: Answer[]; watches: Answer[] },
  options: Partial<InformerOptions<KubeObject, Seen>> = {},
): Promise<void> {
  api.answer((request, response) => {
    const mine = request.query.has("watch") ? answers.watches : answers.lists;
    const answer = mine.length > 1 ? mine.shift() : mine[0];
    answer?.(response, request);
  });
  const { client } = await openCluster({ kubeconfig: api.kubeconfig });
  follower = createFollower(client, CONFIG_MAPS, options);
  await follower.informer.start();
}

const asked = () =>
  api.requests.map(({ query }) => (query.has("watch") ? `watch ${query.get("resourceVersion")}` : "list"));

test("lists page by page, then follows; the same version twice is one change", async () => {
  await following({
    lists: [
      (response) => json(response, list("9", [map("a", "1", "1")], "more")),
      (response, { query }) => json(response, list("9", query.get("continue") === "more" ? [map("b", "1", "2")] : [])),
    ],
    watches: [
      sends(
        event("MODIFIED", map("a", "1", "1")),
        event("MODIFIED", map("a", "2", "10")),
        event("MODIFIED", map("a", "2", "10")),
        event("DELETED", map("b", "1", "11")),
        event("DELETED", map("b", "1", "11")),
        event("ADDED", map("b", "2", "12", "b2")),
      ),
    ],
  });
  await follower.told("+b 2");
  expect(follower.changes).toEqual(["+a 1", "+b 1", "~a 1 2", "-b 1", "+b 2"]);
  expect(follower.informer.size).toBe(2);
  expect(follower.informer.get({ namespace: "shop", name: "a" })).toEqual({ uid: "a", text: "2" });
  expect(follower.informer.list("shop")).toHaveLength(2);
  expect(follower.informer.list("elsewhere")).toEqual([]);
  expect(follower.informer.problem()).toBeUndefined();
  expect(await follower.metric("heauth_informer_objects")).toBe(2);
  expect(asked()).toEqual(["list", "list", "watch 9"]);
});

test("pages that grow too old in the middle are all read at once, and nothing is told twice", async () => {
  await following({
    lists: [
      (response) => json(response, list("9", [map("a", "1", "1")], "more")),
      (response) => json(response, status(410, "Expired", "too old"), 410),
      lists("12", map("a", "2", "3"), map("b", "1", "2")),
    ],
    watches: [sends()],
  });
  await follower.informer.synced;
  expect(follower.changes).toEqual(["+a 2", "+b 1"]);
  expect(api.requests.slice(0, 3).map(({ query }) => query.get("limit"))).toEqual(["500", "500", null]);
});

test("too far behind, in the middle of a watch: the new list tells what was missed, and only that", async () => {
  await following({
    lists: [
      lists("5", map("a", "1", "1"), map("b", "1", "2"), map("c", "1", "3")),
      lists("20", map("a", "1", "1"), map("b", "2", "15", "b2"), map("d", "1", "16")),
    ],
    watches: [sends(event("ERROR", status(410, "Expired", "too old resource version"))), sends()],
  });
  await follower.told("+d 1");
  expect(follower.changes).toEqual(["+a 1", "+b 1", "+c 1", "-c 1", "~b 1 2 (another)", "+d 1"]);
  expect(await follower.restarts()).toEqual({ gone: 1 });
  expect(follower.logs.filter((line) => line.startsWith("warn"))).toEqual([]);
});

test("a watch that breaks off goes on from the last bookmark, without a list", async () => {
  await following({
    lists: [lists("5", map("a", "1", "1"))],
    watches: [
      (response) => response.write(bookmark("50"), () => response.destroy()),
      sends(event("MODIFIED", map("a", "2", "51"))),
    ],
  });
  await follower.told("~a 1 2");
  expect(asked()).toEqual(["list", "watch 5", "watch 50"]);
  expect(await follower.restarts()).toEqual({ cut: 1 });
});

test("a watch that falls silent is cut and begun again", async () => {
  await following(
    {
      lists: [lists("5", map("a", "1", "1"))],
      watches: [sends(bookmark("6")), sends(event("MODIFIED", map("a", "2", "7")))],
    },
    { quietMs: 1_000 },
  );
  await follower.told("~a 1 2");
  expect(asked().slice(0, 3)).toEqual(["list", "watch 5", "watch 6"]);
  expect((await follower.restarts())["quiet"]).toBeGreaterThanOrEqual(1);
});

test("garbage in a watch leads to a new list", async () => {
  await following({
    lists: [lists("5", map("a", "1", "1")), lists("8", map("a", "2", "7"))],
    watches: [sends("<html>\n"), sends()],
  });
  await follower.told("~a 1 2");
  expect(await follower.restarts()).toEqual({ error: 1 });
});

test("refused, it keeps trying, says so once, is not synced, and recovers", async () => {
  const refused: Answer = (response) => json(response, status(403, "Forbidden", "not you"), 403);
  await following({ lists: [refused, refused, refused, lists("5", map("a", "1", "1"))], watches: [sends()] });
  expect(follower.informer.problem()).toBe("configmaps have not been listed yet");
  await follower.informer.synced;
  expect(asked().filter((what) => what === "list")).toHaveLength(4);
  expect(follower.logs.filter((line) => line.startsWith("warn"))).toEqual([
    "warn cannot follow configmaps; it is tried again until it works",
  ]);
});

test("a server that asks to be left alone is", async () => {
  const begun = performance.now();
  await following({
    lists: [
      (response) => json(response, status(429, "TooManyRequests", "slow"), 429, { "retry-after": "1" }),
      lists("5"),
    ],
    watches: [sends()],
  });
  await follower.informer.synced;
  expect(performance.now() - begun).toBeGreaterThanOrEqual(1_000);
  expect(asked().filter((what) => what === "list")).toHaveLength(2);
});

test("all is listed again now and then, and what no event told of is found", async () => {
  await following(
    {
      lists: [lists("5", map("a", "1", "1"), map("b", "1", "2")), lists("6", map("a", "2", "4"))],
      watches: [sends()],
    },
    { relistMs: 50 },
  );
  await follower.told("~a 1 2");
  expect(follower.changes).toEqual(["+a 1", "+b 1", "-b 1", "~a 1 2"]);
  expect(await follower.restarts()).toEqual({});
});

test("a listener or a projection that fails keeps nothing else from working", async () => {
  let told = 0;
  const seen = Promise.withResolvers<void>();
  await following(
    {
      lists: [lists("5", map("a", "1", "1"), map("b", "1", "2"))],
      watches: [
        sends(
          event("MODIFIED", map("b", "2", "6")),
          event("MODIFIED", map("a", "bad", "7")),
          event("DELETED", map("b", "2", "8")),
        ),
      ],
    },
    {
      project: ({ metadata: { uid }, ...rest }) => {
        const { text } = (rest as { data: { text: string } }).data;
        if (text === "bad") throw new Error("cannot be read");
        return { uid, text };
      },
      onChange: (_, now) => {
        told++;
        if (now === undefined) seen.resolve();
        throw new Error("listener");
      },
    },
  );
  await seen.promise;
  expect(told).toBe(4);
  expect(follower.informer.list()).toEqual([{ uid: "a", text: "1" }]);
});
