import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import * as z from "zod";
import { type MessageKind, rawPublicKey, signBytes, signMessage } from "../ledger/ed25519.ts";
import { type KeyProgram, type ProgramSigner, programKeyId } from "../ledger/keys.ts";
import { KeyError } from "./errors.ts";
import { parseKeyFile } from "./key-file.ts";

/** A program's Ed25519 key: kept outside the database, its public half pinned by whoever must trust the program. */
export interface ProgramKey extends ProgramSigner {
  readonly program: KeyProgram;
  readonly publicKey: Buffer;
  sign(kind: MessageKind, body: Uint8Array): Buffer;
  signBytes(bytes: Uint8Array): Buffer;
}

const fileSchema = z.strictObject({
  id: z.string(),
  program: z.enum(["identity", "hub", "operator", "cli"]),
  privateKey: z.string(),
  publicKey: z.string(),
});

/** A new key's file: JSON with the private key as PKCS #8 PEM. Belongs into a file of mode 0600. */
export function newProgramKeyFile(program: KeyProgram): string {
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
export function parseProgramKeyFile(text: string, program: KeyProgram): ProgramKey {
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
