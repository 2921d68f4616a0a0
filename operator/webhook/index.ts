export {
  createWebhook,
  type OwnCertificates,
  type SuppliedCertificates,
  type Webhook,
  type WebhookOptions,
} from "./app.ts";
