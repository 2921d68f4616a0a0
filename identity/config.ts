import { setting } from "@heauth/program";
import * as z from "zod";

/** Identity's settings; a program's own schema takes this one's properties in. */
export const identitySettings = z.object({
  issuer: setting(z.string().regex(/^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/), {
    description: "`iss` of every token; policies name the same.",
    example: "https://auth.example.org",
  }),
  tenantRegistration: setting(z.boolean().default(false), {
    description: "Whether `POST /tenant` registers tenants.",
    example: "false",
  }),
  requestIds: setting(z.enum(["Generated", "Required"]).default("Generated"), {
    description: "What happens to a request without X-Request-Id: it gets one, or it is refused.",
    example: "Generated",
  }),
  trustedHops: setting(z.int().min(0).max(16).default(0), {
    description: "Proxies in front whose X-Forwarded-For is believed.",
    example: "1",
  }),
  hashingThreads: setting(z.int().min(1).max(64).default(2), {
    description: "Passwords hashed at once.",
    example: "2",
  }),
  hashingQueue: setting(z.int().min(0).max(10_000).default(64), {
    description: "Logins that may wait for their password to be hashed; more are refused.",
    example: "64",
  }),
});

export type IdentityConfig = z.output<typeof identitySettings>;
