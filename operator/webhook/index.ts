export {
  createWebhook,
  type OwnCertificates,
  type SuppliedCertificates,
  type Webhook,
  type WebhookOptions,
} from "./app.ts";
export type { ConfigMapKey, InjectionSettings, Resources } from "./injection/index.ts";
