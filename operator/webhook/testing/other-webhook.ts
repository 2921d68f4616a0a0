import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { issueAuthority, issueLeaf } from "../../certificates/issue.ts";

/** Somebody else's webhook, that changes every pod. */
export interface OtherWebhook {
  /** Its MutatingWebhookConfiguration, asked after heauth's. */
  readonly configuration: object;
  stop(): Promise<void>;
}

/** @param patch RFC 6902, of each pod that it is asked about */
export async function startOtherWebhook(patch: readonly object[]): Promise<OtherWebhook> {
  const authority = await issueAuthority(Date.now());
  const { certificate: cert, key } = await issueLeaf(authority, ["localhost"], Date.now());
  const server = createServer({ cert, key }, async (request, response) => {
    const { request: question } = (await json(request)) as { request: { uid: string } };
    const encoded = Buffer.from(JSON.stringify(patch)).toString("base64");
    const answer = { uid: question.uid, allowed: true, patchType: "JSONPatch", patch: encoded };
    const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer };
    response.setHeader("content-type", "application/json").end(JSON.stringify(review));
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    configuration: {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "MutatingWebhookConfiguration",
      metadata: { name: "other" },
      webhooks: [
        {
          name: "other.example.com",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
          clientConfig: {
            url: `https://localhost:${port}/`,
            caBundle: Buffer.from(authority.certificate).toString("base64"),
          },
        },
      ],
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
