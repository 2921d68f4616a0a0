import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { findEnvoy } from "../../cli/parts/find-envoy.ts";
import { preparedPolicy } from "../testing/policy.ts";
import { podBootstrap, podListeners } from "./pod.ts";

const run = promisify(execFile);
const ENVOY_WITHIN_MS = 30_000;
const settings = { port: 15_006, ipv6: true, authorizerTimeoutMs: 2_000 };

interface Listeners {
  readonly version_info: string;
  readonly resources: readonly {
    readonly additional_addresses: readonly object[];
    readonly default_filter_chain?: object;
    readonly filter_chains: readonly {
      readonly filter_chain_match: { readonly destination_port: number };
      readonly filters: readonly { readonly name: string; readonly typed_config: Readonly<Record<string, unknown>> }[];
    }[];
  }[];
}

function listenersFor(
  ports: readonly number[],
  { passthroughPorts = [], ...more }: Partial<typeof settings> & { passthroughPorts?: number[] } = {},
): Listeners {
  const http = ports.map((port) => ({ port, protocol: "HTTP" as const }));
  const { policy, digest } = preparedPolicy({ spec: { ports: http, passthroughPorts } });
  return JSON.parse(podListeners({ compiled: policy, digest }, { ...settings, ...more }));
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-pod-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a chain for each port of the policy, and none for any other", () => {
  const { resources, version_info } = listenersFor([8080, 9090]);
  expect(version_info).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(resources).toHaveLength(1);
  const [listener] = resources;
  expect(listener?.filter_chains.map((chain) => chain.filter_chain_match)).toEqual([
    { destination_port: 8080 },
    { destination_port: 9090 },
  ]);
  expect(listener).not.toHaveProperty("default_filter_chain");
});

test("each chain asks the sidecar first", () => {
  for (const { filters } of listenersFor([8080, 9090]).resources[0]?.filter_chains ?? []) {
    const [http, ...others] = filters;
    expect(others).toEqual([]);
    const asks = {
      name: "envoy.filters.http.ext_authz",
      typed_config: { failure_mode_allow: false, http_service: { server_uri: { cluster: "sidecar", timeout: "2s" } } },
    };
    expect(http?.typed_config["http_filters"]).toMatchObject([{}, asks, {}, { name: "envoy.filters.http.router" }]);
  }
});

test("a port that is let through goes on as TCP, past the sidecar and nowhere else", () => {
  const [, through, ...others] = listenersFor([8080], { passthroughPorts: [5432] }).resources[0]?.filter_chains ?? [];
  expect(others).toEqual([]);
  expect(through).toMatchObject({
    filter_chain_match: { destination_port: 5432 },
    filters: [
      {
        name: "envoy.filters.network.tcp_proxy",
        typed_config: { cluster: "passthrough", stat_prefix: "passthrough_5432" },
      },
    ],
  });
  expect(through?.filters).toHaveLength(1);
});

test("without a policy nothing listens", () => {
  expect(JSON.parse(podListeners(undefined, settings))).toEqual({ version_info: "none", resources: [] });
});

test("IPv6 is listened on where there is any", () => {
  const at = (ipv6: boolean) => listenersFor([8080], { ipv6 }).resources[0]?.additional_addresses;
  expect(at(false)).toEqual([]);
  expect(at(true)).toEqual([{ address: { socket_address: { address: "::", port_value: 15_006 } } }]);
});

test("a socket's path that is too long is refused by name", () => {
  const paths = { sidecarSocket: "/run/s.sock", listenersFile: "/run/l.json", drainingFile: "/run/draining" };
  expect(() => podBootstrap({ ...paths, adminSocket: `/${"a".repeat(200)}` })).toThrow(/too long for a unix socket/);
});

async function validated(config: object): Promise<void> {
  const file = join(folder, "envoy.json");
  await writeFile(file, JSON.stringify(config));
  await run(findEnvoy(), ["--mode", "validate", "-c", file, "--log-level", "error"], { timeout: ENVOY_WITHIN_MS });
}

test(
  "Envoy itself takes the bootstrap and the listeners",
  async () => {
    const bootstrap = JSON.parse(
      podBootstrap({
        sidecarSocket: join(folder, "ext-authz.sock"),
        adminSocket: join(folder, "admin.sock"),
        listenersFile: join(folder, "listeners.json"),
        drainingFile: join(folder, "draining"),
      }),
    );
    await writeFile(join(folder, "listeners.json"), JSON.stringify(listenersFor([8080])));
    await validated(bootstrap);
    // Validation reads no LDS file, so the listener is put where it is read.
    const { "@type": type, ...listener } = listenersFor([8080, 9090], { passthroughPorts: [5432, 6379] })
      .resources[0] as unknown as Record<string, unknown>;
    expect(type).toBe("type.googleapis.com/envoy.config.listener.v3.Listener");
    const { static_resources } = bootstrap;
    const withListener = (one: object) => ({
      ...bootstrap,
      static_resources: { ...static_resources, listeners: [one] },
    });
    await validated(withListener(listener));
    await expect(validated(withListener({ ...listener, filter_chains: [] }))).rejects.toThrow(/filter chain/);
  },
  3 * ENVOY_WITHIN_MS,
);
