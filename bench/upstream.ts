/** The app of the benchmark: an Envoy that answers by itself, so that the app is never what is measured. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createBackoff, retry } from "@heauth/program";
import { freePort } from "heauth/parts";

export async function startUpstream(binary: string, folder: string): Promise<{ url: URL; stop(): Promise<void> }> {
  const port = await freePort();
  const config = join(folder, "upstream.json");
  await writeFile(config, JSON.stringify(bootstrap(port)));
  const flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const child = spawn(binary, ["-c", config, ...flags], { stdio: "ignore" });
  const url = new URL(`http://127.0.0.1:${port}`);
  await retry(() => fetch(url), { backoff: createBackoff({ firstMs: 50, maxMs: 200 }), attempts: 50 });
  return {
    url,
    async stop() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

function bootstrap(port: number) {
  const http = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
  const router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
  const route = { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "hello\n" } } };
  const manager = {
    "@type": http,
    stat_prefix: "upstream",
    http_filters: [{ name: "router", typed_config: { "@type": router } }],
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
  };
  return {
    static_resources: {
      listeners: [
        {
          address: { socket_address: { address: "127.0.0.1", port_value: port } },
          filter_chains: [
            { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
          ],
        },
      ],
    },
  };
}
