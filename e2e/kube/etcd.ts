import { freePort } from "heauth/parts";
import { jsonRequest, untilAnswered } from "./json-request.ts";
import { createServer, flagsOf } from "./process.ts";

export interface Etcd {
  readonly url: string;
  start(): Promise<void>;
  stop(deadline: AbortSignal): Promise<void>;
  pid(): number | undefined;
  /** Forgets every older revision, so that nobody can list or watch from there: 410 Gone. */
  compact(): Promise<void>;
}

/** One etcd on free ports; its data is `folder/etcd`. */
export async function createEtcd(command: string, folder: string): Promise<Etcd> {
  const [url, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const flags = {
    name: "etcd",
    "data-dir": `${folder}/etcd`,
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `etcd=${peer}`,
    // A test outlives no power cut.
    "unsafe-no-fsync": "true",
    "log-level": "warn",
  };
  const child = createServer({
    name: "etcd",
    folder,
    command,
    args: () => flagsOf(flags),
    ready: async (_run, signal) => {
      await untilAnswered({ url: `${url}/health`, signal }, ({ status }) => status === 200);
    },
  });

  async function call(path: string, body: object): Promise<{ header: { revision: string } }> {
    const { status, text } = await jsonRequest({ method: "POST", url: `${url}/v3/kv/${path}`, body });
    if (status !== 200) throw new Error(`etcd answered ${status} to ${path}: ${text}`);
    return JSON.parse(text);
  }

  return {
    url,
    start: child.start,
    stop: child.stop,
    pid: child.pid,
    async compact() {
      const { header } = await call("range", { key: Buffer.from("/").toString("base64"), limit: 1, keys_only: true });
      await call("compaction", { revision: header.revision, physical: true });
    },
  };
}
