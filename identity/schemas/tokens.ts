import * as z from "zod";
import { token } from "./text.ts";

/** What a login and a refresh answer. */
export const tokensSchema = z
  .object({
    accessToken: z.string(),
    refreshToken: z.string(),
    expiresIn: z.int().meta({ description: "Seconds that the access token is valid." }),
  })
  .meta({ id: "Tokens" });

export const tokenBody = z.strictObject({ token: token() });
/** No body at all, or one with the token; then the bearer's or the cookie's counts. */
export const optionalTokenBody = z.strictObject({ token: token().optional() }).nullish();

export const doneSchema = z.object({ result: z.literal(1) }).meta({ id: "Done" });

/** The claims of a verified token (RFC 9068). */
export const decodedSchema = z
  .object({
    decoded: z
      .object({
        iss: z.string(),
        aud: z.array(z.string()).readonly(),
        sub: z.string(),
        client_id: z.string(),
        tenant: z.string(),
        sid: z.string(),
        roles: z.array(z.string()).readonly(),
        iat: z.int(),
        nbf: z.int(),
        exp: z.int(),
        jti: z.string(),
        auth_time: z.int(),
        amr: z.array(z.string()).readonly(),
        isTenant: z.literal(true).optional(),
      })
      .meta({ description: "The token's claims." }),
  })
  .meta({ id: "Decoded" });
