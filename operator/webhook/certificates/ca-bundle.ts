import { type ClusterClient, isClusterError, type KubeObject, type ResourceType } from "@heauth/program/kubernetes";

interface WebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

/** A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration. */
export interface ConfigurationName {
  readonly type: ResourceType;
  readonly name: string;
}

/** A configuration, as far as it says whom the API server trusts. */
export interface Trust {
  readonly configuration: ConfigurationName;
  readonly resourceVersion: string | undefined;
  /** By the webhook's name; PEM. */
  readonly bundles: ReadonlyMap<string, string>;
}

/** Kind and name, for people. */
export function nameOf({ type, name }: ConfigurationName): string {
  return `${type.kind} ${name}`;
}

/** Undefined: there is no such configuration. */
export async function readTrust(
  client: ClusterClient,
  configuration: ConfigurationName,
  signal: AbortSignal,
): Promise<Trust | undefined> {
  const { type, name } = configuration;
  try {
    const found = await client.get<WebhookConfiguration>(type, { name }, { signal });
    const bundles = (found.webhooks ?? []).map(
      ({ name: webhook, clientConfig: { caBundle = "" } }) =>
        [webhook, Buffer.from(caBundle, "base64").toString()] as const,
    );
    return { configuration, resourceVersion: found.metadata.resourceVersion, bundles: new Map(bundles) };
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Whether the API server trusts exactly these authorities for every webhook of the configuration; none of none is every. */
export function trusts({ bundles }: Pick<Trust, "bundles">, bundle: string): boolean {
  return [...bundles.values()].every((each) => each === bundle);
}

/** What all webhooks of all these configurations have in common. */
export function soleBundle(all: readonly Pick<Trust, "bundles">[]): string | undefined {
  const first = all.flatMap(({ bundles }) => [...bundles.values()])[0];
  return first && all.every((each) => trusts(each, first)) ? first : undefined;
}

/**
 * Writes each webhook's `caBundle` and nothing else: all other fields stay with whoever manages them.
 * @throws ClusterError Conflict when the configuration is no longer as it was read
 */
export async function writeTrust(
  client: ClusterClient,
  { configuration: { type, name }, resourceVersion, bundles }: Trust,
  { bundle, signal }: { bundle: string; signal: AbortSignal },
): Promise<void> {
  const caBundle = Buffer.from(bundle).toString("base64");
  const webhooks = [...bundles.keys()].map((webhook) => ({ name: webhook, clientConfig: { caBundle } }));
  const metadata = { name, ...(resourceVersion !== undefined && { resourceVersion }) };
  const configuration: WebhookConfiguration = { metadata, webhooks };
  await client.apply(type, configuration, { fieldManager: "heauth-webhook" }, { signal });
}
