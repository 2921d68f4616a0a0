import { createLogs, systemClock } from "@heauth/program";
import { afterEach, expect, test } from "@jest/globals";
import type { Caller } from "./callers.ts";
import type { Stream } from "./stream.ts";
import { createStreamKeeper, type StreamKeeper } from "./stream-keeper.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let keeper: StreamKeeper | undefined;
afterEach(() => keeper?.stop());

test("a look that fails in a way that nobody thought of ends neither the stream nor the hub: it is looked again", async () => {
  const changed = Promise.withResolvers<Stream>();
  let looks = 0;
  const again = async (): Promise<Caller> => {
    if (looks++ === 0) throw new TypeError("an answer like no other");
    return caller;
  };
  const proof = { expiresAtMs: Date.now() + 3_600_000, again };
  const caller: Caller = { namespace: "shop", pod: "web-0", choose: (policies) => policies, proof };
  const ended: unknown[] = [];
  const end = (error?: unknown) => void ended.push(error);
  const stream = { caller, end, goodbye: end } as unknown as Stream;
  keeper = createStreamKeeper({ clock: systemClock, log, lifeMs: 600_000, recheckMs: 0, onChanged: changed.resolve });
  keeper.keep(stream);
  keeper.start();
  expect(await changed.promise).toBe(stream);
  expect({ looks, ended }).toEqual({ looks: 2, ended: [] });
});
