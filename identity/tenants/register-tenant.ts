import { defaultTenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import { addTagKey, registerTenant, StoreError, type TenantAccount } from "@heauth/store";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import { originOf } from "../http/origin.ts";
import { tenantLogin } from "../login/log-in.ts";
import type { Workshop } from "../parts.ts";
import { type OpenedTokens, openTokens } from "../sessions/open-tokens.ts";
import { hashNewPassword } from "../users/password.ts";

export interface TenantWish {
  readonly email: string;
  readonly password: string;
  /** Made up from the id when absent. */
  readonly name?: string | undefined;
}

/**
 * Registers a tenant that manages itself, with the schema's defaults, and logs it in. Its one audience is its name.
 * @throws IdentityError PasswordRefused, NameTaken, EmailTaken, Overloaded; StoreError StoreUnavailable
 */
export async function registerOwnTenant(
  workshop: Workshop,
  request: FastifyRequest,
  { email, password, name: wanted }: TenantWish,
): Promise<{ tenant: TenantAccount; tokens: OpenedTokens }> {
  const { database, ledgerWriter, hashing, counts } = workshop;
  const id = uuidv7();
  const name = wanted ?? `t-${id}`;
  const settings = defaultTenantSettings(name, [name]);
  const passwordHash = await hashNewPassword(hashing, password, settings.passwords, [email, wanted ?? ""]);
  const tenant: TenantAccount = { id, name, managedBy: "API", settings, email, passwordHash };
  const origin = originOf(request);
  try {
    const tokens = await database.tenantTransaction(id, async (tx) => {
      await registerTenant(tx, tenant);
      await addTagKey(tx, id, newTagKey());
      await ledgerWriter.append(tx, id, [
        { type: "identity.tenant.create", request: request.id, private: { ...origin, email, details: { name } } },
      ]);
      return openTokens(workshop, tx, tenantLogin(tenant, origin));
    });
    counts.opened();
    request.log.info({ tenant: id }, "tenant registered");
    return { tenant, tokens };
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "AlreadyExists") throw error;
    throw new IdentityError(error.field === "name" ? "NameTaken" : "EmailTaken");
  }
}
