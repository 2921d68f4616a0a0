import { EventKind } from "@heauth/protocol";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { api, callerOfApi, callerOfWeb, eventually, type TestHubParts, testHub, web, youngProbe } from "./testing.ts";

let it: TestHubParts;
let acme: string;
let globex: string;

beforeEach(async () => {
  it = await testHub();
  acme = await it.tenant("acme");
  globex = await it.tenant("globex");
  await it.put(acme, web);
  await it.put(globex, api);
  await it.start();
});
afterEach(() => it.stop());

describe("events", () => {
  test("come in order, dense, of the caller's tenants only", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const { seq } = await stream.next("begin");
    const session = await it.session(acme);
    await it.emit(globex);
    await it.revoke(acme, session);
    await Promise.all(Array.from({ length: 50 }, () => it.emit(acme)));
    expect(await stream.next("event")).toMatchObject({
      ...{ tenant: acme, seq: seq + 1n, kind: EventKind.SESSION_CLOSED, session, generation: 2n },
    });
    for (let n = 2n; n <= 51n; n++) {
      expect(await stream.next("event")).toMatchObject({ tenant: acme, seq: seq + n, kind: EventKind.TENANT_CHANGED });
    }
  });

  test("missed while away come first, where the cursor says", async () => {
    const first = it.stream(callerOfWeb).hello();
    const { store } = await first.next("welcome");
    const { seq } = await first.next("begin");
    first.stream.cancel();
    for (let n = 0; n < 20; n++) await it.emit(acme);
    const again = it.stream(callerOfWeb).hello({ store, cursors: [{ tenant: acme, seq }] });
    expect(await again.next("begin")).toMatchObject({ tenant: acme, seq });
    for (let n = 1n; n <= 20n; n++) expect(await again.next("event")).toMatchObject({ seq: seq + n });
  });

  test("are also there for a cursor from before the hub's start", async () => {
    const first = it.stream(callerOfWeb).hello();
    const { store } = await first.next("welcome");
    const { seq } = await first.next("begin");
    await it.emit(acme);
    await it.start();
    const again = it.stream(callerOfWeb).hello({ store, cursors: [{ tenant: acme, seq }] });
    expect(await again.next("begin")).toMatchObject({ seq });
    expect(await again.next("event")).toMatchObject({ seq: seq + 1n });
  });

  test.each([
    [
      "older than what is kept",
      async () => {
        for (let n = 0; n < 5; n++) await it.emit(acme);
        await it.superuser.query("DELETE FROM outbox WHERE tenant_id = $1 AND seq < 4", [acme]);
        await it.start();
        return { seq: 1n };
      },
    ],
    ["that is still to come", async () => ({ seq: 1000n })],
    ["of another store", async () => ({ store: "1/00000001" })],
  ])("begin anew for a cursor %s", async (_, prepare) => {
    const { store } = await it.stream(callerOfWeb).hello().next("welcome");
    const hello = { store, seq: 0n, ...(await prepare()) };
    const stream = it.stream(callerOfWeb).hello({ store: hello.store, cursors: [{ tenant: acme, seq: hello.seq }] });
    const [{ head }] = (await it.superuser.query<{ head: number }>(
      "SELECT seq AS head FROM outbox_head WHERE tenant_id = $1",
      [acme],
    )) as [{ head: number }];
    expect(await stream.next("begin")).toMatchObject({ seq: BigInt(head) });
  });

  test("that went missing in the store end the streams that would miss them", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const other = it.stream(callerOfApi).hello();
    await stream.next("begin");
    await other.next("begin");
    await it.superuser.query("UPDATE outbox_head SET seq = seq + 3 WHERE tenant_id = $1", [acme]);
    expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE" });
    await youngProbe(other, 1000);
  });

  test("that nobody can read any more, because all of their tenant was deleted, end its streams, and its policies go", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const other = it.stream(callerOfApi).hello();
    expect(await stream.next("policy")).toMatchObject(web);
    await other.next("begin");
    await it.superuser.query("UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Delete' WHERE id = $1", [acme]);
    await it.superuser.query("SELECT drop_tenant($1, 1000000)", [acme]);
    expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE" });
    const served = async () => {
      const again = it.stream(callerOfWeb).hello();
      await again.probe();
      const policies = again.messages.filter((message) => message.case === "policy");
      again.stream.cancel();
      return policies;
    };
    await eventually(served, ({ length }) => length === 0);
    await youngProbe(other, 1000);
  });
});

describe("probes", () => {
  test("are answered with the age of the last complete read", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    await youngProbe(stream, 300);
  });

  test("are answered after every event of the read they vouch for", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const { seq: first } = await stream.next("begin");
    for (let n = 0; n < 30; n++) {
      const committed = it.emit(acme).then((seq) => ({ seq, at: performance.now() }));
      const sentAt = performance.now();
      const horizon = sentAt - (await stream.probe());
      const { seq, at } = await committed;
      const told = stream.messages.flatMap((message) => (message.case === "event" ? [Number(message.value.seq)] : []));
      // Whatever was committed before the horizon has come in.
      if (at < horizon) expect(told).toContain(seq);
      for (const [index, one] of told.entries()) expect(one).toBe(Number(first) + index + 1);
    }
  });

  test("grow no younger than the reads: a reader that stands still shows", async () => {
    await it.start({ readEvery: 60_000 });
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const before = await stream.probe();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await stream.probe()).toBeGreaterThanOrEqual(before + 100);
  });

  test("count from when a read began, however long it took", async () => {
    await it.start({ readEvery: 60_000 });
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    const { lockedAt, waitsAt } = await it.operator.transaction(async (tx) => {
      await tx.query("LOCK TABLE heauth.outbox_head IN ACCESS EXCLUSIVE MODE");
      const lockedAt = performance.now();
      await tx.query("SELECT pg_sleep(0.2)");
      await it.superuser.query("SELECT pg_notify('heauth_outbox', '')");
      await eventually(
        () => it.superuser.query(waiting),
        ({ length }) => length > 0,
      );
      const waitsAt = performance.now();
      await tx.query("SELECT pg_sleep(1)");
      return { lockedAt, waitsAt };
    });
    let askedAt = 0;
    const age = await eventually(
      () => {
        askedAt = performance.now();
        return stream.probe();
      },
      // The read before this one began before the lock was there.
      (age) => age < askedAt - lockedAt,
    );
    expect(age).toBeGreaterThanOrEqual(askedAt - waitsAt);
  });
});

describe("a revocation", () => {
  test("is told when it has committed, and not at the next read only", async () => {
    await it.start({ readEvery: 60_000 });
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    for (let n = 0; n < 20; n++) {
      const session = await it.session(acme);
      await it.revoke(acme, session);
      expect(await stream.next("event")).toMatchObject({ kind: EventKind.SESSION_CLOSED, session });
    }
  });
});
