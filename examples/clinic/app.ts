/**
 * The app that the tour protects: a few patients behind plain HTTP. It knows nothing of tokens; who is asking reaches it in the
 * headers that the policy names.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

interface Patient {
  id: string;
  name: string;
  diagnosis: string;
}

/** An HTTP server with three patients, not listening yet. */
export function createClinic(): Server {
  const patients = new Map<string, Patient>([
    ["4711", { id: "4711", name: "Ada Example", diagnosis: "migraine" }],
    ["4712", { id: "4712", name: "Ben Example", diagnosis: "asthma" }],
    ["4713", { id: "4713", name: "Cleo Example", diagnosis: "fracture" }],
  ]);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://clinic");
    const id = /^\/patients\/([^/]+)$/.exec(pathname)?.[1];
    if (pathname === "/healthz") return send(response, 200, { status: "ok" });
    if (pathname === "/patients" && request.method === "GET") return send(response, 200, [...patients.values()]);
    if (id === undefined) return send(response, 404, { error: "no such page" });

    if (request.method === "GET") {
      const patient = patients.get(id);
      if (!patient) return send(response, 404, { error: "no such patient" });
      return send(response, 200, { ...patient, readBy: request.headers["x-heauth-subject"] ?? null });
    }
    if (request.method === "PUT") {
      const diagnosis = (await text(request)).trim();
      const patient = { id, name: patients.get(id)?.name ?? "New Patient", diagnosis };
      patients.set(id, patient);
      return send(response, 200, patient);
    }
    send(response, 405, { error: "only GET and PUT" });
  }

  return createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

async function text(request: IncomingMessage): Promise<string> {
  let whole = "";
  for await (const chunk of request.setEncoding("utf8")) whole += chunk;
  return whole;
}

if (import.meta.main) {
  const port = Number(process.env["PORT"] ?? 8080);
  createClinic().listen(port, "127.0.0.1", () => console.log(`clinic on http://127.0.0.1:${port}`));
}
