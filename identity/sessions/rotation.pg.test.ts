import {
  newProgramKeyFile,
  newServerSecretsFile,
  parseProgramKeyFile,
  parseServerSecretsFile,
} from "@heauth/core/keys";
import { publicKeyOf } from "@heauth/core/ledger";
import { LedgerWriter } from "@heauth/store";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { createIdentity, type Identity } from "../identity.ts";
import { PASSWORD, type TestIdentity, type TestTenant, type Tokens, testIdentity } from "../testing/test-identity.ts";

const deadline = () => AbortSignal.timeout(30_000);
const oldSecrets = JSON.parse(newServerSecretsFile());
const newSecrets = JSON.parse(newServerSecretsFile());
const both = { current: newSecrets.current, secrets: [...oldSecrets.secrets, ...newSecrets.secrets] };

let home: TestIdentity;
let acme: TestTenant;
let before: Tokens;
beforeAll(async () => {
  home = await testIdentity({ serverSecrets: parseServerSecretsFile(JSON.stringify(oldSecrets)) });
  acme = await home.tenant("acme");
  await home.admin(acme);
});
beforeEach(async () => {
  before = await home.logIn(acme, "admin@example.org");
});
afterAll(() => home.stop());

/** The next run of identity on the same database: with a program key of its own, and other server secrets. */
async function nextRun(secrets: object, work: (ask: Ask) => Promise<void>): Promise<void> {
  const { programKey: former } = home.parts;
  const programKey = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");
  const next = await createIdentity({
    ...home.parts,
    programKey,
    formerKeys: new Map([[former.id, publicKeyOf(former.publicKey)]]),
    serverSecrets: parseServerSecretsFile(JSON.stringify(secrets)),
    ledgerWriter: new LedgerWriter({ program: "identity", programKey }),
  });
  try {
    await work(asker(next));
  } finally {
    await next.stop(deadline());
  }
}

type Ask = ReturnType<typeof asker>;
function asker({ app }: Identity) {
  return async (url: string, payload: object) => {
    const answer = await app.inject({ method: "POST", url, payload });
    return { status: answer.statusCode, body: answer.json() };
  };
}

test("a new server secret and a new program key log nobody out", () =>
  nextRun(both, async (ask) => {
    expect(await ask("/auth/verify", { token: before.accessToken })).toMatchObject({ status: 200 });
    const after = await ask("/auth/refresh", { refreshToken: before.refreshToken });
    expect(after).toMatchObject({ status: 200 });
    expect(await ask("/auth/verify", { token: after.body.accessToken })).toMatchObject({ status: 200 });

    const login = { tenant: "acme", login: "admin@example.org", password: PASSWORD };
    expect(await ask("/auth", login)).toMatchObject({ status: 200 });
    const used = await home.db.superuser.query<{ server_secret: string }>(
      "SELECT server_secret FROM session_key k JOIN session s ON s.id = k.session_id ORDER BY s.opened_at DESC LIMIT 2",
    );
    expect(used.map(({ server_secret }) => server_secret)).toEqual([newSecrets.current, oldSecrets.current]);
  }));

test("a server secret that is taken away ends what was made with it, and is no reuse", () =>
  nextRun(newSecrets, async (ask) => {
    const answer = await ask("/auth/refresh", { refreshToken: before.refreshToken });
    expect(answer).toMatchObject({ status: 401, body: { code: "RefreshRefused" } });
    expect(await home.db.superuser.query("SELECT FROM alert")).toEqual([]);
  }));
