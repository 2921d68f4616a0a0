import { connect, createServer, type Socket } from "node:net";

/** A way to the database that can be cut: connections end, and new ones are refused. */
export interface BreakableDatabase {
  readonly url: string;
  cut(): Promise<void>;
  restore(): Promise<void>;
}

export async function breakableDatabase(url: string): Promise<BreakableDatabase> {
  const target = addressOf(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  const listen = (port: number) =>
    new Promise<number>((resolve) =>
      server.listen(port, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
  const port = await listen(0);
  return {
    url: url.replace(/@[^/]*\/([^?]*).*$/, `@127.0.0.1:${port}/$1`),
    async cut() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    async restore() {
      await listen(port);
    },
  };
}

/** Where a connection string leads: a host and a port, or a folder with a socket. */
function addressOf(url: string): { host: string; port: number } | { path: string } {
  const folder = /[?&]host=([^&]+)/.exec(url)?.[1];
  if (folder !== undefined) return { path: `${decodeURIComponent(folder)}/.s.PGSQL.5432` };
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 5432) };
}
