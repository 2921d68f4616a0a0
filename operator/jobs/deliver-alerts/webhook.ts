import { createHmac } from "node:crypto";
import { OperatorError } from "../../errors.ts";

/** A message to a receiver. `id` stays the same over retries, so that a receiver can tell a repetition. */
export interface WebhookMessage {
  readonly id: string;
  /** JSON. */
  readonly body: string;
}

export interface WebhookTarget {
  readonly url: string;
  /** Key of the HMAC. */
  readonly secret: Buffer;
}

const LEAST_SECRET_BYTES = 16;

/**
 * A signing secret as it stands in a Secret: `whsec_<base64>` (Standard Webhooks), else its bytes as they are.
 * @throws OperatorError SecretInvalid when it is shorter than 16 bytes or not base64
 */
export function parseSigningSecret(text: string): Buffer {
  const trimmed = text.trim();
  const encoded = trimmed.startsWith("whsec_") ? trimmed.slice("whsec_".length) : undefined;
  if (encoded !== undefined && !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) {
    throw new OperatorError("SecretInvalid", "after whsec_ a signing secret is base64");
  }
  const secret = encoded === undefined ? Buffer.from(trimmed) : Buffer.from(encoded, "base64");
  if (secret.length < LEAST_SECRET_BYTES) {
    throw new OperatorError("SecretInvalid", `a signing secret has at least ${LEAST_SECRET_BYTES} bytes`);
  }
  return secret;
}

/**
 * Posts a message once, with the headers of Standard Webhooks (spec/standard-webhooks.md, "Webhook metadata" and "Signature scheme"):
 * the HMAC-SHA256 of `id.timestamp.body`. Redirects are not followed: a receiver is where the tenant said it is.
 * @throws OperatorError DeliveryFailed unless it answers 2xx in time
 */
export async function postWebhook(
  target: WebhookTarget,
  message: WebhookMessage,
  options: { readonly nowMs: number; readonly timeoutMs: number },
): Promise<void> {
  const timestamp = String(Math.floor(options.nowMs / 1000));
  const signature = createHmac("sha256", target.secret)
    .update(`${message.id}.${timestamp}.${message.body}`)
    .digest("base64");
  const response = await post(target.url, message, options.timeoutMs, {
    "content-type": "application/json",
    "user-agent": "heauth",
    "webhook-id": message.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  });
  await response.body?.cancel();
  if (response.status < 200 || response.status > 299) {
    const what = response.status >= 300 && response.status < 400 ? "a redirect, which is not followed" : "a refusal";
    throw new OperatorError("DeliveryFailed", `the receiver answered ${response.status} (${what})`);
  }
}

async function post(
  url: string,
  message: WebhookMessage,
  timeoutMs: number,
  headers: Record<string, string>,
): Promise<Response> {
  try {
    return await fetch(url, {
      method: "POST",
      headers,
      body: message.body,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    const timedOut = Error.isError(cause) && cause.name === "TimeoutError";
    const what = timedOut ? `no answer within ${timeoutMs} ms` : "it can't be reached";
    throw new OperatorError("DeliveryFailed", what, { cause });
  }
}
