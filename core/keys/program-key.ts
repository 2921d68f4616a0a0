import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import * as z from "zod";
import { type MessageKind, rawPublicKey, signBytes, signMessage } from "../ledger/ed25519.ts";
import { sha256 } from "../ledger/hash.ts";
import { KeyError } from "./errors.ts";
import { parseKeyFile } from "./key-file.ts";

export const keyedPrograms = ["identity", "hub", "operator", "cli"] as const;
/** Programs that sign with a key of their own. */
export type KeyedProgram = (typeof keyedPrograms)[number];

/** A program's Ed25519 key: kept outside the database, its public half pinned by whoever must trust the program. */
export interface ProgramKey {
  /** `<program>-<first 8 hex digits of SHA-256(public key)>`. */
  readonly id: string;
  readonly program: KeyedProgram;
  /** 32 raw bytes. */
  readonly publicKey: Buffer;
  /** Signs a body in its domain: `"heauth <kind> v1\n" ‖ body`. 64 bytes. */
  sign(kind: MessageKind, body: Uint8Array): Buffer;
  /** Signs bytes as they are, for formats with a domain of their own (checkpoints). 64 bytes. */
  signBytes(bytes: Uint8Array): Buffer;
}

/** How others pin it: an entry of `ledger-keys.json`. */
export interface PinnedProgramKey {
  readonly program: KeyedProgram;
  readonly id: string;
  /** base64url, without padding. */
  readonly publicKey: string;
}

/** The id that belongs to a program's public key (32 raw bytes). */
export function programKeyId(program: KeyedProgram, publicKey: Uint8Array): string {
  return `${program}-${sha256(publicKey).toString("hex", 0, 4)}`;
}

const fileSchema = z.strictObject({
  id: z.string(),
  program: z.enum(keyedPrograms),
  privateKey: z.string(),
  publicKey: z.string(),
});

/** A new key's file: JSON with the private key as PKCS #8 PEM. Belongs into a file of mode 0600. */
export function newProgramKeyFile(program: KeyedProgram): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const publicKey = rawPublicKey(privateKey);
  const file: z.output<typeof fileSchema> = {
    id: programKeyId(program, publicKey),
    program,
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    publicKey: publicKey.toString("base64url"),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Reads a program key file, and checks that its parts belong together.
 * @throws KeyError KeyFileInvalid
 */
export function parseProgramKeyFile(text: string, program: KeyedProgram): ProgramKey {
  const file = parseKeyFile(text, fileSchema);
  if (file.program !== program) throw new KeyError("KeyFileInvalid", `the key is not of the program ${program}`);
  const key = ed25519PrivateKey(file.privateKey);
  const publicKey = rawPublicKey(key);
  if (publicKey.toString("base64url") !== file.publicKey) {
    throw new KeyError("KeyFileInvalid", "publicKey does not belong to privateKey");
  }
  if (programKeyId(program, publicKey) !== file.id) {
    throw new KeyError("KeyFileInvalid", "id does not belong to publicKey");
  }
  return {
    id: file.id,
    program,
    publicKey,
    sign: (kind, body) => signMessage(kind, body, key),
    signBytes: (bytes) => signBytes(bytes, key),
  };
}

/** The public part of a program key. */
export function pinnedProgramKey({ id, program, publicKey }: ProgramKey): PinnedProgramKey {
  return { program, id, publicKey: publicKey.toString("base64url") };
}

function ed25519PrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The cause is left out: it may quote the file.
    throw new KeyError("KeyFileInvalid", "privateKey is not a PKCS #8 PEM key");
  }
  if (key.asymmetricKeyType !== "ed25519") throw new KeyError("KeyFileInvalid", "privateKey is not an Ed25519 key");
  return key;
}
