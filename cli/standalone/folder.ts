import { join } from "node:path";

/** Where `standalone` keeps what must survive a restart; also where `--data DIR` of the other commands looks. */
export interface DataFolder {
  readonly root: string;
  /** Program keys and server secrets, 0600, never in the database. */
  readonly keys: string;
  /** The embedded PostgreSQL's cluster. */
  readonly postgres: string;
  readonly postgresPassword: string;
  /** The database's connection URL, 0600, for the other commands. */
  readonly databaseUrl: string;
  /** Public halves of the program keys: what `ledger verify` pins. */
  readonly ledgerKeys: string;
  /** Newest checkpoint of each tenant's log. */
  readonly anchors: string;
  /** The write-ahead log of the sidecar before an app. */
  wal(namespace: string, policy: string): string;
}

export function dataFolder(root: string): DataFolder {
  return {
    root,
    keys: join(root, "keys"),
    postgres: join(root, "postgres"),
    postgresPassword: join(root, "keys", "postgres-password"),
    databaseUrl: join(root, "database.url"),
    ledgerKeys: join(root, "ledger-keys.json"),
    anchors: join(root, "anchors"),
    wal: (namespace, policy) => join(root, "apps", `${namespace}.${policy}`, "wal"),
  };
}
