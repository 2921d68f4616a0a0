import { randomBytes } from "node:crypto";
import * as z from "zod";
import { KeyError } from "./errors.ts";
import { parseKeyFile } from "./key-file.ts";

export const SERVER_SECRET_BYTES = 32;

/** A secret that session keys are derived with; only identity has it. */
export interface ServerSecret {
  readonly id: string;
  /** 32 random bytes. */
  readonly secret: Buffer;
}

/** Server secrets overlap, so that they rotate without logging anybody out: new sessions use the current one. */
export interface ServerSecrets {
  readonly current: ServerSecret;
  /** @throws KeyError ServerSecretUnknown */
  get(id: string): ServerSecret;
}

const secretSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
const fileSchema = z.strictObject({ current: z.string(), secrets: z.array(secretSchema).min(1) });

/** A new file with one secret: `{current, secrets: [{id, secret}]}`. Belongs into a file of mode 0600. */
export function newServerSecretsFile(): string {
  const id = `secret-${randomBytes(4).toString("hex")}`;
  const secret = randomBytes(SERVER_SECRET_BYTES).toString("base64url");
  const file: z.output<typeof fileSchema> = { current: id, secrets: [{ id, secret }] };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Reads a server secrets file.
 * @throws KeyError KeyFileInvalid
 */
export function parseServerSecretsFile(text: string): ServerSecrets {
  const file = parseKeyFile(text, fileSchema);
  const secrets = new Map<string, ServerSecret>();
  for (const { id, secret } of file.secrets) {
    if (secrets.has(id)) throw new KeyError("KeyFileInvalid", "two server secrets have the same id");
    secrets.set(id, { id, secret: Buffer.from(secret, "base64url") });
  }
  const current = secrets.get(file.current);
  if (current === undefined) throw new KeyError("KeyFileInvalid", "current names no server secret of the file");
  return {
    current,
    get(id) {
      const found = secrets.get(id);
      if (found === undefined)
        throw new KeyError("ServerSecretUnknown", "the session's server secret is not in the file");
      return found;
    },
  };
}
