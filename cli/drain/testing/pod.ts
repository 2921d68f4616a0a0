import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../../parts/find-envoy.ts";
import { freePort } from "../../parts/free-port.ts";

const HEAUTH = fileURLToPath(new URL("../../main.ts", import.meta.url));
const LOOK_AGAIN_MS = 50;

export interface PodOptions {
  /** `unix:…` of the hub. */
  readonly hub: string;
  /** The pinned keys, as a file's text. */
  readonly keys: string;
  /** How long the sidecar takes at most to end: `5s`. */
  readonly stopWithin: string;
}

/** A sidecar. */
export interface Running {
  readonly process: ChildProcess;
  /** Its exit code, and all that it has logged. */
  readonly ended: Promise<{ code: number | null; log: string }>;
}

/** An app, and the sidecar and Envoy beside it, as in a pod; only the redirect is missing, so Envoy is asked at its own port. */
export class Pod {
  readonly folder: string;
  readonly port: number;
  readonly #options: PodOptions;
  readonly #app = createServer((_request, response) => response.end("hello"));
  #envoy: ChildProcess | undefined;
  #sidecar: Running | undefined;

  private constructor(folder: string, port: number, options: PodOptions) {
    this.folder = folder;
    this.port = port;
    this.#options = options;
  }

  static async start(options: PodOptions): Promise<Pod> {
    const pod = new Pod(await mkdtemp(join(tmpdir(), "heauth-drain-")), await freePort(), options);
    try {
      pod.#app.listen(0, "127.0.0.1");
      await once(pod.#app, "listening");
      await writeFile(join(pod.folder, "keys.json"), options.keys);
      pod.startSidecar();
      await pod.#startEnvoy();
      await pod.untilAllowed();
    } catch (error) {
      await pod.stop();
      throw error;
    }
    return pod;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get podEnvoy(): string {
    return join(this.folder, "envoy");
  }
  get wal(): string {
    return join(this.folder, "wal");
  }
  get sidecar(): Running {
    if (this.#sidecar === undefined) throw new Error("no sidecar runs");
    return this.#sidecar;
  }

  startSidecar(): Running {
    const at = (name: string) => join(this.folder, name);
    const child = spawn(
      process.execPath,
      [
        ...[HEAUTH, "sidecar", `--hub=${this.#options.hub}`, `--identity-keys=${at("keys.json")}`, `--wal=${this.wal}`],
        ...[`--socket=${at("ext-authz.sock")}`, `--pod-envoy=${this.podEnvoy}`, `--pod-envoy-port=${this.port}`],
        ...["--wal-quota=16", `--stop-within=${this.#options.stopWithin}`],
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const log = text(child.stderr);
    const ended = once(child, "close").then(async ([code]) => ({ code: code as number | null, log: await log }));
    this.#sidecar = { process: child, ended };
    return this.#sidecar;
  }

  /** Asks until the app answers: nobody tells from outside when the policy has come. */
  async untilAllowed(): Promise<void> {
    for (;;) {
      const status = await fetch(this.url, { headers: { connection: "close" } }).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 200) return;
      await pause();
    }
  }

  async stop(): Promise<void> {
    for (const child of [this.#sidecar?.process, this.#envoy]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "close");
    }
    this.#app.closeAllConnections();
    this.#app.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** By what the sidecar writes, with the two things changed that the redirect would do: the port that was meant, and where the app is. */
  async #startEnvoy(): Promise<void> {
    const bootstrap = await this.#written("bootstrap.json", () => true);
    const { clusters } = bootstrap.static_resources;
    const app = clusters.find(({ name }: { name: string }) => name === "app");
    const { port } = this.#app.address() as AddressInfo;
    const address = { socket_address: { address: "127.0.0.1", port_value: port } };
    app.type = "STATIC";
    app.lb_policy = "ROUND_ROBIN";
    app.load_assignment = { cluster_name: "app", endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
    const listeners = await this.#written("listeners.json", ({ resources }) => resources.length > 0);
    listeners.resources[0].filter_chains[0].filter_chain_match.destination_port = this.port;
    const shown = join(this.folder, "listeners.json");
    await writeFile(shown, JSON.stringify(listeners));
    bootstrap.dynamic_resources.lds_config.path_config_source.path = shown;
    const file = join(this.folder, "bootstrap.json");
    await writeFile(file, JSON.stringify(bootstrap));
    const flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
    this.#envoy = spawn(findEnvoy(), ["-c", file, ...flags], { stdio: ["ignore", "ignore", "inherit"] });
  }

  // biome-ignore lint/suspicious/noExplicitAny: Envoy's own, of which a few places are changed
  async #written(name: string, isThere: (content: any) => boolean): Promise<any> {
    for (;;) {
      // Not there yet, or not written to its end.
      const content = await readFile(join(this.podEnvoy, name), "utf8")
        .then(JSON.parse)
        .catch(() => undefined);
      if (content !== undefined && isThere(content)) return content;
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
}
