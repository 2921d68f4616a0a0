import { type ClusterClient, isClusterError, type KubeObject, VALIDATING_WEBHOOKS } from "@heauth/program/kubernetes";

interface WebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

/** A ValidatingWebhookConfiguration, as far as it says whom the API server trusts. */
export interface Trust {
  readonly resourceVersion: string | undefined;
  /** By the webhook's name; PEM. */
  readonly bundles: ReadonlyMap<string, string>;
}

/** Undefined: there is no such configuration. */
export async function readTrust(client: ClusterClient, name: string, signal: AbortSignal): Promise<Trust | undefined> {
  try {
    const found = await client.get<WebhookConfiguration>(VALIDATING_WEBHOOKS, { name }, { signal });
    const bundles = (found.webhooks ?? []).map(
      ({ name: webhook, clientConfig: { caBundle = "" } }) =>
        [webhook, Buffer.from(caBundle, "base64").toString()] as const,
    );
    return { resourceVersion: found.metadata.resourceVersion, bundles: new Map(bundles) };
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Whether the API server trusts exactly these authorities for every webhook of the configuration; none of none is every. */
export function trusts({ bundles }: Trust, bundle: string): boolean {
  return [...bundles.values()].every((each) => each === bundle);
}

/**
 * Writes each webhook's `caBundle` and nothing else: all other fields stay with whoever manages them.
 * @throws ClusterError Conflict when the configuration is no longer as it was read
 */
export async function writeTrust(
  client: ClusterClient,
  name: string,
  { resourceVersion, bundles }: Trust,
  { bundle, signal }: { bundle: string; signal: AbortSignal },
): Promise<void> {
  const caBundle = Buffer.from(bundle).toString("base64");
  const webhooks = [...bundles.keys()].map((webhook) => ({ name: webhook, clientConfig: { caBundle } }));
  const metadata = { name, ...(resourceVersion !== undefined && { resourceVersion }) };
  const configuration: WebhookConfiguration = { metadata, webhooks };
  await client.apply(VALIDATING_WEBHOOKS, configuration, { fieldManager: "heauth-webhook" }, { signal });
}
