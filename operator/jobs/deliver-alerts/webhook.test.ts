import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { Webhook } from "standardwebhooks";
import { parseSigningSecret, postWebhook } from "./webhook.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`;
}

function post(url: string, timeoutMs = 20_000): Promise<void> {
  return postWebhook(
    { url, secret: parseSigningSecret(SECRET) },
    { id: "msg_1", body: '{"type":"x","text":"Übergriff"}' },
    { nowMs: Date.now(), timeoutMs },
  );
}

test("a message verifies with the reference library of Standard Webhooks", async () => {
  const got = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: string }>();
  const url = await listen(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.writeHead(204).end();
    got.resolve({ headers: request.headers, body: Buffer.concat(chunks).toString() });
  });
  await post(url);
  const { headers, body } = await got.promise;
  const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>);
  expect(verified).toEqual({ type: "x", text: "Übergriff" });
  const other = new Webhook(`whsec_${Buffer.alloc(32, 8).toString("base64")}`);
  expect(() => other.verify(body, headers as Record<string, string>)).toThrow();
});

test("a secret that is no whsec_ is used as it is", async () => {
  const got = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: string }>();
  const url = await listen(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end();
    got.resolve({ headers: request.headers, body: Buffer.concat(chunks).toString() });
  });
  const secret = "a plain secret of 26 bytes";
  await postWebhook(
    { url, secret: parseSigningSecret(`${secret}\n`) },
    { id: "msg_1", body: "{}" },
    { nowMs: Date.now(), timeoutMs: 20_000 },
  );
  const { headers, body } = await got.promise;
  expect(new Webhook(secret, { format: "raw" }).verify(body, headers as Record<string, string>)).toEqual({});
});

test.each([301, 307, 400, 500])("status %i is a failure", async (status) => {
  let hits = 0;
  const url = await listen((_request, response) => {
    hits++;
    response.writeHead(status, { location: "/elsewhere" }).end("x".repeat(100_000));
  });
  await expect(post(url)).rejects.toMatchObject({
    code: "DeliveryFailed",
    message: expect.stringContaining(`${status}`),
  });
  expect(hits).toBe(1);
});

test("no answer in time, and nobody there, are failures", async () => {
  const silent = await listen(() => undefined);
  await expect(post(silent, 50)).rejects.toMatchObject({ code: "DeliveryFailed", message: "no answer within 50 ms" });
  await expect(post("http://127.0.0.1:1/")).rejects.toMatchObject({ code: "DeliveryFailed" });
});

test.each(["", "short", "whsec_", "whsec_!!", "whsec_AAAA"])("the secret %j is refused, and not repeated", (text) => {
  expect(() => parseSigningSecret(text)).toThrow(expect.objectContaining({ code: "SecretInvalid" }));
});
