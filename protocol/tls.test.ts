import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Authority, createAuthority } from "@heauth/e2e/kube";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import {
  CallError,
  type Changing,
  connect,
  createServer,
  Hub,
  type HubClient,
  type HubHandlers,
  type Metadata,
  type ServerIdentity,
  type ServiceServer,
  type SyncClientStream,
} from "./index.ts";

/** What a rotating file would hold. */
class Changeable<T> implements Changing<T> {
  readonly #listeners = new Set<(now: T) => void>();
  #now: T;
  constructor(first: T) {
    this.#now = first;
  }
  current(): T {
    return this.#now;
  }
  subscribe(listener: (now: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  become(now: T): void {
    this.#now = now;
    for (const listener of this.#listeners) listener(now);
  }
}

/** Ends a stream in order. */
async function finish(stream: SyncClientStream): Promise<void> {
  const ended = once(stream.resume(), "end");
  stream.end();
  await ended;
}

/** The address that the server sees a call come from. */
async function peerOf(by: HubClient): Promise<string> {
  const stream = by.open("sync");
  stream.write({ message: { case: "hello", value: {} } });
  const [{ message }] = await once(stream, "data");
  await finish(stream);
  return message.value.pod;
}

const handlers: HubHandlers = {
  sync: (call) => {
    call.on("data", () => call.write({ message: { case: "welcome", value: { pod: call.getPeer() } } }));
    call.on("end", () => call.end());
  },
  lookUpSessions: async (_, { metadata }) => ({ sessions: [{ subject: String(metadata.get("authorization")) }] }),
  lookUpJournals: async () => ({}),
  registerJournal: async () => ({}),
  appendSegments: async () => ({}),
};

let [first, second]: [Authority, Authority] = [undefined as never, undefined as never];
let identity: Changeable<ServerIdentity>;
let admit: (metadata: Metadata) => Promise<void>;
let server: ServiceServer;
let port: number;
const clients: HubClient[] = [];

async function identityOf(authority: Authority): Promise<ServerIdentity> {
  const { certificate, key } = await authority.issue("hub");
  return { certificate: Buffer.from(certificate), privateKey: Buffer.from(key) };
}
const trust = (...authorities: Authority[]) =>
  new Changeable(Buffer.from(authorities.map(({ certificate }) => certificate).join("")));

function client(authorities: Changing<Buffer> | undefined, token = () => "t"): HubClient {
  const one = connect(Hub, {
    target: `dns:localhost:${port}`,
    authorities,
    headers: () => ({ authorization: token() }),
    maxMessageBytes: 1 << 20,
    maxReconnectMs: 100,
  });
  clients.push(one);
  return one;
}
const ask = async (by: HubClient) =>
  (await by.call("lookUpSessions", { tenant: "t" }, { deadlineMs: 20_000 })).sessions[0]?.subject;

beforeEach(async () => {
  [first, second] = [await createAuthority(), await createAuthority()];
  identity = new Changeable(await identityOf(first));
  admit = async () => {};
  const limits = { maxMessageBytes: 8 << 20, maxConcurrentCalls: 100, keepAliveMs: 10_000, connectionAgeMs: 300 };
  server = createServer(Hub, {
    handlers,
    admit: (metadata) => admit(metadata),
    ...limits,
    onUnexpected: (error) => {
      throw error;
    },
  });
  port = await server.listen("127.0.0.1:0", identity);
});
afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await server.stop(AbortSignal.abort());
});

test("each call carries the headers of the moment", async () => {
  let token = "one";
  const by = client(trust(first), () => token);
  expect(await ask(by)).toBe("one");
  token = "two";
  expect(await ask(by)).toBe("two");
});

test.each<[string, () => Changing<Buffer> | undefined]>([
  ["trusts somebody else", () => trust(second)],
  ["speaks in the clear", () => undefined],
])("a client that %s reaches nobody", async (_, authorities) => {
  await expect(ask(client(authorities()))).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a new certificate is shown to new connections, a stream that stands goes on", async () => {
  const by = client(trust(first));
  const stream = by.open("sync");
  stream.write({ message: { case: "probe", value: {} } });
  await once(stream, "data");
  identity.become(await identityOf(second));
  stream.write({ message: { case: "probe", value: {} } });
  await once(stream, "data");
  await finish(stream);
  expect(await ask(by)).toBe("t");
  expect(await ask(client(trust(second)))).toBe("t");
  await expect(ask(client(trust(first)))).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a client takes over new authorities for its next connection, and needs no restart", async () => {
  const authorities = trust(first);
  identity.become(await identityOf(second));
  const by = client(authorities);
  await expect(ask(by)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  authorities.become(trust(second).current());
  while ((await ask(by).catch(() => undefined)) !== "t") await new Promise((resolve) => setTimeout(resolve, 10));
});

test("a connection that grows old takes no more calls: they go by another one, and its stream goes on", async () => {
  const by = client(trust(first));
  const stream = by.open("sync");
  const peers = new Set<string>();
  const until = performance.now() + 1_500;
  while (performance.now() < until || peers.size < 3) {
    stream.write({ message: { case: "probe", value: {} } });
    await once(stream, "data");
    // Also those that are on their way while the connection is closed to new ones.
    await Promise.all(Array.from({ length: 5 }, () => ask(by)));
    peers.add(await peerOf(by));
  }
  await finish(stream);
});

test("who is not let in is told before his message is read", async () => {
  admit = async () => {
    throw new CallError("UNAUTHENTICATED", "a bearer token is missing");
  };
  const session = connectHttp2(`https://localhost:${port}`, { ca: first.certificate });
  try {
    const call = session.request({
      ":method": "POST",
      ":path": "/heauth.hub.v1.Hub/AppendSegments",
      "content-type": "application/grpc",
      te: "trailers",
    });
    // The length of a message of 4 MiB, of which nothing comes.
    call.write(Buffer.from([0, 0, 0x40, 0, 0]));
    const [headers] = await once(call, "response");
    expect(headers).toMatchObject({ "grpc-status": "16", "grpc-message": "a%20bearer%20token%20is%20missing" });
  } finally {
    session.destroy();
  }
});

test("peers that say nothing, or nothing that is understood, harm nobody and do not hold up a stop", async () => {
  const silent = connectTcp({ host: "127.0.0.1", port });
  const web = connectTls({ host: "127.0.0.1", port, servername: "localhost", ca: first.certificate });
  try {
    for (const socket of [silent, web]) socket.on("error", () => {});
    web.write("GET / HTTP/1.1\r\n\r\n");
    expect(String(await once(web, "data"))).toMatch(/^HTTP\/1.0 403/);
    expect(await ask(client(trust(first)))).toBe("t");
    const deadline = new AbortController();
    const stopped = server.stop(deadline.signal);
    deadline.abort();
    await stopped;
  } finally {
    silent.destroy();
    web.destroy();
  }
});
