import { type ClusterClient, type KubeObject, SECRETS } from "@heauth/program/kubernetes";
import { type CertificateSet, trustBundle } from "../certificates/certificate-set.ts";
import { parsedCertificate } from "../certificates/pair.ts";
import type { SecretName } from "../certificates/stored-certificates.ts";
import { OperatorError } from "../errors.ts";
import { isKeptByUs, KEPT_BY } from "./trust-map.ts";

/** core/v1 Secret of type kubernetes.io/tls, which the hub's pods mount. */
export interface HubSecret extends KubeObject {
  readonly type?: string;
  /** In base64. */
  readonly data?: Readonly<Record<string, string>>;
}

const CERTIFICATE = "tls.crt";
const KEY = "tls.key";
const AUTHORITIES = "ca.crt";
/** There when cert-manager writes the Secret, also one that was ours. */
const CERT_MANAGER = "cert-manager.io/certificate-name";
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** By a list of one: Secrets of this namespace may be listed anyway, and what it is called is somebody's choice. */
export async function readHubSecret(
  client: ClusterClient,
  { namespace, name }: SecretName,
  signal: AbortSignal,
): Promise<HubSecret | undefined> {
  const { items } = await client.list<HubSecret>(
    SECRETS,
    { namespace, fieldSelector: `metadata.name=${name}` },
    { signal },
  );
  return items[0];
}

/** Whether we look after it. One that somebody else has made is never written to. */
export function isOurs({ metadata: { annotations = {} } }: HubSecret): boolean {
  return isKeptByUs(annotations) && annotations[CERT_MANAGER] === undefined;
}

export function shows({ data = {} }: HubSecret, set: CertificateSet): boolean {
  return Object.entries(dataOf(set)).every(([key, value]) => data[key] === value);
}

/**
 * Shows the set's leaf, without its authority's key.
 * @param seen as it was read; undefined: it is not there
 * @throws ClusterError Conflict when it is no longer as it was read
 */
export async function writeHubSecret(
  client: ClusterClient,
  { namespace, name }: SecretName,
  set: CertificateSet,
  { seen, signal }: { seen: HubSecret | undefined; signal: AbortSignal },
): Promise<void> {
  const { resourceVersion } = seen?.metadata ?? {};
  const version = resourceVersion === undefined ? {} : { resourceVersion };
  const labels = { "app.kubernetes.io/managed-by": "heauth" };
  const object: HubSecret = {
    metadata: { namespace, name, ...version, labels, annotations: KEPT_BY },
    type: "kubernetes.io/tls",
    data: dataOf(set),
  };
  // One that somebody has made since it was not there is theirs.
  const apply = { fieldManager: "heauth-hub-certificate", force: seen !== undefined };
  await client.apply(SECRETS, object, apply, { signal });
}

function dataOf(set: CertificateSet): Record<string, string> {
  const encoded = (text: string) => Buffer.from(text).toString("base64");
  return {
    [CERTIFICATE]: encoded(set.leaf.certificate),
    [KEY]: encoded(set.leaf.key),
    [AUTHORITIES]: encoded(trustBundle(set)),
  };
}

/** A certificate that somebody else looks after, and who signed it. PEM. */
export interface SuppliedHub {
  readonly certificate: string;
  readonly authorities: string;
}

/**
 * Nothing but certificates is taken over, whatever else stands beside them: what comes out of here is read in many namespaces.
 * @throws OperatorError HubAuthorityUnknown
 */
export function suppliedHub({ metadata: { name }, data = {} }: HubSecret): SuppliedHub {
  const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString();
  const authorities = text(AUTHORITIES).match(PEM) ?? [];
  if (authorities.length > 0 && authorities.every((each) => parsedCertificate(each) !== undefined)) {
    return { certificate: text(CERTIFICATE), authorities: authorities.map((each) => `${each}\n`).join("") };
  }
  throw new OperatorError(
    "HubAuthorityUnknown",
    `the Secret ${name}, which heauth does not look after, has no certificate in ${AUTHORITIES}: sidecars can't be told whom to trust`,
  );
}
