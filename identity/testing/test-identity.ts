import {
  newProgramKeyFile,
  newServerSecretsFile,
  parseProgramKeyFile,
  parseServerSecretsFile,
  type ServerSecrets,
} from "@heauth/core/keys";
import type { LedgerRecord, PrivatePart } from "@heauth/core/ledger";
import { defaultTenantSettings, type TenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { type Clock, createHealth, createLogs, createMetrics, systemClock, uuidv7 } from "@heauth/program";
import { addTagKey, createTenant, LedgerWriter, openDatabase } from "@heauth/store";
import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import type { LightMyRequestResponse } from "fastify";
import type { IdentityConfig } from "../config.ts";
import { createIdentity, type Identity } from "../identity.ts";
import type { IdentityParts } from "../parts.ts";
import { createSuperuser } from "../users/create-superuser.ts";
import { readRecords } from "./read-records.ts";

export const PASSWORD = "vier Kühe im Regen";

export interface TestTenant {
  readonly id: string;
  readonly name: string;
}

/** One HTTP request, as a test states it. */
export interface Ask {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "OPTIONS";
  readonly url: string;
  readonly json?: unknown;
  readonly body?: string | Buffer;
  readonly token?: string | undefined;
  readonly headers?: Record<string, string | string[]>;
  readonly from?: string;
}

/** Identity on a fresh database. */
export interface TestIdentity {
  readonly identity: Identity;
  readonly parts: IdentityParts;
  readonly db: TestDatabase;
  /** Everything that was logged. */
  readonly lines: string[];
  ask(request: Ask): Promise<LightMyRequestResponse>;
  tenant(name: string, settings?: Partial<TenantSettings>): Promise<TestTenant>;
  admin(tenant: TestTenant, email?: string): Promise<string>;
  /** Logs in and gives the answer's body. */
  logIn(tenant: TestTenant, login: string, more?: object): Promise<Tokens>;
  /** The tenant's records in the order written, with their private parts. */
  records(tenant: { id: string }): Promise<{ record: LedgerRecord; private: PrivatePart | undefined }[]>;
  stop(): Promise<void>;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
}

export interface TestOptions {
  readonly clock?: Clock;
  readonly serverSecrets?: ServerSecrets;
  /** Identity's way to the database, where it is not the straight one. */
  readonly through?: (url: string) => Promise<string>;
}

const defaults: IdentityConfig = {
  issuer: "https://id.test",
  tenantRegistration: true,
  requestIds: "Generated",
  trustedHops: 0,
  hashingThreads: 2,
  hashingQueue: 256,
};

export async function testIdentity({
  clock = systemClock,
  serverSecrets = parseServerSecretsFile(newServerSecretsFile()),
  through,
  ...config
}: Partial<IdentityConfig> & TestOptions = {}): Promise<TestIdentity> {
  const db = await testDatabase();
  const url = through === undefined ? db.url : await through(db.url);
  // How busy the machine is proves nothing.
  const options = { role: "heauth_identity", applicationName: "test", connectTimeout: 20_000 } as const;
  const database = await openDatabase({ ...options, url });
  const programKey = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");
  const lines: string[] = [];
  const parts: IdentityParts = {
    config: { ...defaults, ...config },
    database,
    ledgerWriter: new LedgerWriter({ program: "identity", programKey }),
    programKey,
    serverSecrets,
    clock,
    log: createLogs({ program: "identity", level: "trace", destination: { write: (line) => void lines.push(line) } })
      .log,
    metrics: createMetrics(),
    health: createHealth(),
  };
  const identity = await createIdentity(parts);
  await identity.start();

  const ask: TestIdentity["ask"] = ({ method = "POST", url, json, body, token, headers = {}, from }) =>
    identity.app.inject({
      method,
      url,
      headers: {
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(json !== undefined && { payload: JSON.stringify(json) }),
      ...(body !== undefined && { payload: body }),
      ...(from !== undefined && { remoteAddress: from }),
    });

  return {
    identity,
    parts,
    db,
    lines,
    ask,
    async tenant(name, settings = {}) {
      const operator = await db.database("heauth_operator");
      const id = uuidv7();
      await operator.tenantTransaction(id, async (tx) => {
        await createTenant(tx, {
          id,
          name,
          settings: { ...defaultTenantSettings(name, ["shop", "clinic"]), ...settings },
        });
        await addTagKey(tx, id, newTagKey());
      });
      await operator.stop();
      return { id, name };
    },
    async admin({ name }, email = "admin@example.org") {
      return (await createSuperuser(parts, { tenant: name, email, password: PASSWORD })).id;
    },
    async logIn({ name }, login, more = {}) {
      const answer = await ask({ url: "/auth", json: { tenant: name, login, password: PASSWORD, ...more } });
      if (answer.statusCode !== 200) throw new Error(`login answered ${answer.statusCode}: ${answer.body}`);
      return answer.json();
    },
    records: ({ id }) => readRecords(db.superuser, id),
    async stop() {
      await identity.stop(AbortSignal.timeout(5_000)).finally(() => database.stop());
      await db.drop();
    },
  };
}
