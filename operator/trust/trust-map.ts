import type { KubeObject } from "@heauth/program/kubernetes";

/** The ConfigMap that pods with a sidecar mount, in each namespace with injection. */
export const TRUST = "heauth-trust";

const HUB_CA = "hub-ca.crt";
const LEDGER_KEYS = "ledger-keys.json";
/** Says that the object is ours to keep. */
export const KEPT_BY = { "heauth.io/kept-by": "heauth-operator" };
const FIELD_MANAGER = { fieldManager: "heauth-trust" };

/** What sidecars go by. */
export interface TrustContents {
  /** Who signs the hub's certificate: PEM, several while that changes. */
  readonly hubCa: string;
  /** The public halves of the programs' keys. */
  readonly ledgerKeys: string;
}

/** core/v1 ConfigMap. */
export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What is kept of a ConfigMap of that name. */
export interface KeptTrust extends Partial<TrustContents> {
  readonly namespace: string;
  readonly resourceVersion: string | undefined;
  /** Whether we have written it. */
  readonly isOurs: boolean;
}

export function keptTrust({
  metadata: { namespace = "", resourceVersion, annotations },
  data = {},
}: ConfigMap): KeptTrust {
  const { [HUB_CA]: hubCa, [LEDGER_KEYS]: ledgerKeys } = data;
  return {
    namespace,
    resourceVersion,
    isOurs: isKeptByUs(annotations),
    ...(hubCa !== undefined && { hubCa }),
    ...(ledgerKeys !== undefined && { ledgerKeys }),
  };
}

export function isKeptByUs(annotations: Readonly<Record<string, string>> = {}): boolean {
  return Object.entries(KEPT_BY).every(([key, value]) => annotations[key] === value);
}

/** Whether nothing is to be written. Other keys than ours are their owners'. */
export function isAsWanted(kept: KeptTrust | undefined, { hubCa, ledgerKeys }: TrustContents): boolean {
  return kept?.isOurs === true && kept.hubCa === hubCa && kept.ledgerKeys === ledgerKeys;
}

/** For a server-side apply; one that was changed since it was seen is not touched. */
export function trustMap(
  namespace: string,
  { hubCa, ledgerKeys }: TrustContents,
  seen: KeptTrust | undefined,
): { object: ConfigMap; apply: typeof FIELD_MANAGER } {
  const { resourceVersion } = seen ?? {};
  const version = resourceVersion === undefined ? {} : { resourceVersion };
  return {
    object: {
      metadata: {
        namespace,
        name: TRUST,
        ...version,
        labels: { "app.kubernetes.io/managed-by": "heauth" },
        annotations: KEPT_BY,
      },
      data: { [HUB_CA]: hubCa, [LEDGER_KEYS]: ledgerKeys },
    },
    apply: FIELD_MANAGER,
  };
}
