import { CONFIG_MAPS, type KubeObject, type ResourceType, SECRETS } from "@heauth/program/kubernetes";
import { CliError } from "../../errors.ts";
import { type KeySet, LEDGER_KEYS } from "../key-set.ts";
import { keyFileOf, SERVER_SECRETS } from "../open-keys.ts";

/** Where the keys are to be. */
export interface KeyNames {
  readonly namespace: string;
  readonly identitySecret: string;
  readonly hubSecret: string;
  readonly operatorSecret: string;
  readonly cliSecret: string;
  readonly ledgerConfigMap: string;
}

/** A Secret, or the ConfigMap, that holds files of the set. */
export interface KeyHolder {
  readonly type: ResourceType;
  readonly name: string;
  readonly files: readonly string[];
}

/** core/v1 Secret and ConfigMap, as far as they hold files. */
export interface HolderObject extends KubeObject {
  /** Of a Secret: in base64. */
  readonly data?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

const LABELS = { "app.kubernetes.io/managed-by": "heauth", "heauth.io/keys": "true" };

/** Each holder, in the order in which they are written: the public halves come last, and no program starts without them. */
export function keyHolders(names: KeyNames): readonly KeyHolder[] {
  const secret = (name: string, ...files: string[]): KeyHolder => ({ type: SECRETS, name, files });
  return [
    secret(names.identitySecret, keyFileOf("identity"), SERVER_SECRETS),
    secret(names.hubSecret, keyFileOf("hub")),
    secret(names.operatorSecret, keyFileOf("operator")),
    secret(names.cliSecret, keyFileOf("cli")),
    { type: CONFIG_MAPS, name: names.ledgerConfigMap, files: [LEDGER_KEYS] },
  ];
}

/**
 * The Secret that holds all of a set while it is being handed out. It is made at once or not at all, so that two who begin at the same
 * time go on with the same set, and whoever comes after a crash does too.
 */
export const DRAFT: KeyHolder = {
  type: SECRETS,
  name: "heauth-keys-new",
  files: [
    keyFileOf("identity"),
    SERVER_SECRETS,
    keyFileOf("hub"),
    keyFileOf("operator"),
    keyFileOf("cli"),
    LEDGER_KEYS,
  ],
};

export function holderText({ type, name }: KeyHolder): string {
  return `${type.kind} ${name}`;
}

/** The holder with its files of the set. Secrets can't be changed afterwards; public halves can be added to. */
export function holderObject({ type, name, files }: KeyHolder, namespace: string, set: KeySet): HolderObject {
  const isSecret = type === SECRETS;
  const text = (file: string) =>
    isSecret ? Buffer.from(set.get(file) ?? "").toString("base64") : (set.get(file) ?? "");
  const data = Object.fromEntries(files.map((file) => [file, text(file)]));
  return { metadata: { namespace, name, labels: LABELS }, ...(isSecret && { immutable: true }), data };
}

/**
 * What is in it.
 * @throws CliError KeyFile when one of its files is missing
 */
export function filesOf(holder: KeyHolder, { data = {} }: HolderObject): KeySet {
  return new Map(
    holder.files.map((file) => {
      const held = data[file];
      if (held === undefined) throw new CliError("KeyFile", `${holderText(holder)} has no ${file}`);
      return [file, holder.type === SECRETS ? Buffer.from(held, "base64").toString() : held] as const;
    }),
  );
}
