import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { createCutter, isReady, type Message, sqlOf } from "./postgres-messages.ts";

/** A statement on its way. */
export interface Statement {
  readonly sql: string;
  /** What its transaction has said before, from its BEGIN on; empty outside of one. */
  readonly before: readonly string[];
}

/** Sees every statement; what is awaited here delays it. */
export interface DoorHook {
  /** Before the server gets it. */
  before?(statement: Statement): Promise<void> | void;
  /** When the server has done it, and before the client knows. */
  after?(statement: Statement): Promise<void> | void;
}

/** A way to PostgreSQL on which every statement is seen. */
export interface PostgresDoor {
  /** The connection string that it was given, leading through the door. */
  readonly url: string;
  /** Without a hook nothing is looked at any more. */
  onStatement(hook?: DoorHook): void;
  /** Breaks off every connection. */
  cut(): void;
  stop(): Promise<void>;
}

/** Opens one on a free port. Connections to it are not encrypted. */
export async function openPostgresDoor(url: string): Promise<PostgresDoor> {
  const { host, port, user, password, database } = new pg.Client(url);
  const sockets = new Set<Socket>();
  let hook: DoorHook = {};

  const server = createServer((client) => {
    const target = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    follow(client, target, () => hook);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  const secret = typeof password !== "string" ? "" : `:${encodeURIComponent(password)}`;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `postgresql://${user}${secret}@127.0.0.1:${own}/${database}`,
    onStatement(wanted = {}) {
      hook = wanted;
    },
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Both ways of one connection, each in its order. A client asks one thing at a time, as `pg` does. */
function follow(client: Socket, target: Socket, hook: () => DoorHook): void {
  let transaction: string[] = [];
  let asked: Statement | undefined;

  async function ask(message: Message): Promise<void> {
    const sql = sqlOf(message);
    if (sql !== undefined) {
      if (/^\s*BEGIN\b/i.test(sql)) transaction = [];
      asked = { sql, before: [...transaction] };
      await hook().before?.(asked);
    }
    if (!target.destroyed) target.write(message.bytes);
  }

  async function answer(message: Message): Promise<void> {
    if (isReady(message) && asked !== undefined) {
      const done = asked;
      asked = undefined;
      const inside = /^\s*BEGIN\b/i.test(done.sql) || transaction.length > 0;
      const isOver = /^\s*(COMMIT|ROLLBACK)\b/i.test(done.sql);
      transaction = inside && !isOver ? [...transaction, done.sql] : [];
      await hook().after?.(done);
    }
    if (!client.destroyed) client.write(message.bytes);
  }

  relay(client, createCutter(1), ask);
  relay(target, createCutter(0), answer);
}

function relay(from: Socket, cut: (chunk: Buffer) => Message[], take: (message: Message) => Promise<void>): void {
  let last: Promise<void> = Promise.resolve();
  from.on("data", (chunk) => {
    for (const message of cut(chunk)) last = last.then(() => take(message)).catch(() => void from.destroy());
  });
  // What has been said is passed on before the end is.
  from.on("end", () => void last.then(() => from.destroy()));
}
