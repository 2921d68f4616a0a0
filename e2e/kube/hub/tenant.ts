import { randomUUID } from "node:crypto";
import { compile } from "@heauth/core/policy";
import { authPolicySchema, tenantSchema } from "@heauth/core/resources";
import { deriveSessionKeyPair } from "@heauth/core/sessions";
import { mintAccessToken, newTagKey } from "@heauth/core/tokens";
import { addTagKey, LedgerWriter, openSession, putPolicy } from "@heauth/store";
import { insertTenant, makeUser, newSession, type TestDatabase, type TestKeys } from "@heauth/store/testing";
import { policySpec, type Spec, tenantSpec } from "../../standalone/resources.ts";

const ISSUER = "https://identity.test";
/** A tenant, its policy clinic/web, and a session with its token, as operator and identity would write them. */
export interface ClinicTenant {
  readonly id: string;
  readonly token: string;
  /** Puts the policy in force. */
  put(spec?: Spec): Promise<void>;
}

export async function createClinicTenant(database: TestDatabase, keys: TestKeys): Promise<ClinicTenant> {
  const [operator, identity] = [await database.database("heauth_operator"), await database.database("heauth_identity")];
  const id = await insertTenant(database.superuser, "acme");
  const tagKey = newTagKey();
  await operator.transaction((tx) => addTagKey(tx, id, tagKey));
  const user = await makeUser(identity, id, "joy");
  const session = newSession(keys, id, user);
  const limits = { maxPerUser: 10, whenFull: "Refuse" } as const;
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  await identity.tenantTransaction(id, (tx) => openSession(tx, writer, session, limits));
  const operatorWriter = new LedgerWriter({ program: "operator", programKey: keys.operator });
  const { privateKey } = deriveSessionKeyPair({
    sessionKey: session.sessionKey,
    serverSecret: Buffer.alloc(32),
    tenant: id,
    session: session.id,
  });
  const now = Math.floor(Date.now() / 1000);
  const about = { iss: ISSUER, aud: ["clinic"], sub: user, client_id: "heauth", tenant: id, sid: session.id };
  const times = { iat: now, nbf: now, exp: now + 3600, auth_time: now };
  const claims = { ...about, ...times, roles: [], jti: randomUUID(), amr: ["pwd"] };

  return {
    id,
    token: mintAccessToken(claims, { privateKey, tagKey }),
    async put(spec = {}) {
      const apiVersion = "heauth.io/v1alpha1";
      const metadata = { name: "web", namespace: "clinic" };
      const tenant = {
        apiVersion,
        kind: "Tenant",
        metadata: { name: "acme" },
        spec: tenantSpec("acme", "https://a.test"),
      };
      const policy = { apiVersion, kind: "AuthPolicy", metadata, spec: policySpec("acme", spec) };
      const resources = { tenant: tenantSchema.parse(tenant), policy: authPolicySchema.parse(policy) };
      const compiled = compile({
        issuer: ISSUER,
        tenant: { id, resource: resources.tenant },
        policy: resources.policy,
      });
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
      const { selector } = resources.policy.spec;
      const row = {
        ...metadata,
        tenantId: id,
        digest: compiled.digest,
        compiled: Buffer.from(compiled.bytes),
        selector,
      };
      await operator.transaction((tx) => putPolicy(tx, operatorWriter, { ...row, createdAtMs: 0 }));
    },
  };
}
