import { createLogs, createMetrics } from "@heauth/program";
import { createApp } from "../app.ts";
import type { Workshop } from "../parts.ts";

const config = {
  issuer: "https://id.example",
  tenantRegistration: true,
  requestIds: "Generated",
  trustedHops: 0,
  hashingThreads: 1,
  hashingQueue: 0,
} as const;

/** The OpenAPI document as text, from the same schemas that validate requests. Nothing is asked of the app, so it needs no store. */
export async function renderDocument(): Promise<string> {
  const { log } = createLogs({ program: "identity", level: "silent" });
  const app = await createApp({ config, log, metrics: createMetrics() } as Workshop, new AbortController().signal);
  try {
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
  }
}
