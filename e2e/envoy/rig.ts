import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { createEnvoyProxy, type EnvoyProxy, type EnvoySettings, findEnvoy } from "heauth/parts";
import { createRecordingServer, type RecordingServer } from "./recorder.ts";

/** A real Envoy between an authoriser and an app that both belong to the test. */
export interface Rig {
  envoy: EnvoyProxy;
  authorizer: RecordingServer;
  app: RecordingServer;
  folder: string;
  /** Both allow and answer as at first, and have seen nothing. */
  reset(): void;
  /** Resolves when Envoy has been started again after an unexpected end. */
  startedAgain(): Promise<void>;
  stop(): Promise<void>;
}

const allow = () => ({ status: 200 });
const hello = () => ({ status: 200, headers: { "x-app": "yes" }, body: "hello from the app" });

export async function startRig(settings: Partial<EnvoySettings> = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-envoy-"));
  const sidecarSocket = join(folder, "sidecar.sock");
  const authorizer = createRecordingServer({ path: sidecarSocket }, allow);
  const app = createRecordingServer({ host: "127.0.0.1", port: 0 }, hello);
  await Promise.all([authorizer.listen(), app.listen()]);
  const again = Promise.withResolvers<void>();
  const envoy = createEnvoyProxy({
    name: "envoy",
    binary: findEnvoy(),
    runFolder: join(folder, "envoy"),
    log: createLogs({ program: "e2e", level: "silent" }).log,
    listen: { host: "127.0.0.1", port: 0 },
    upstream: new URL(`http://127.0.0.1:${app.port()}`),
    sidecarSocket,
    authorizerTimeoutMs: 2_000,
    restarts: { add: () => again.resolve() },
    ...settings,
  });

  async function stop(): Promise<void> {
    await envoy.stop(AbortSignal.timeout(5_000));
    await Promise.all([authorizer.close(), app.close()]);
    await rm(folder, { recursive: true, force: true });
  }
  try {
    await envoy.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    envoy,
    authorizer,
    app,
    folder,
    stop,
    startedAgain: () => again.promise,
    reset() {
      authorizer.seen = [];
      app.seen = [];
      authorizer.answer = allow;
      app.answer = hello;
    },
  };
}
