import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Receiver, startReceiver } from "../../examples/clinic/tour/receiver.ts";
import { type RunningStandalone, startStandalone } from "../../examples/clinic/tour/standalone.ts";
import { createRecordingServer, type RecordingServer } from "../envoy/recorder.ts";
import { createPeople, type People } from "./people.ts";
import { endByForce, postgresOf, type SeenProcess, seenProcess, sidecarOf, startedBy } from "./processes.ts";
import { policySpec, SIGNING_SECRET, type Spec, tenantSpec, writeResources } from "./resources.ts";

const DEFAULT_APP = "clinic/web";
/** Draining, shipping what was recorded and ending PostgreSQL take a second or two. */
const STOP_WITHIN_MS = 25_000;

export interface RigOptions {
  /** Specs over the usual one, by tenant; `acme` alone unless given. */
  readonly tenants?: Readonly<Record<string, Spec>>;
  /** Specs over the usual one, by NAMESPACE/NAME, of the tenant that `tenant` names; `clinic/web` of `acme` unless given. */
  readonly policies?: Readonly<Record<string, Spec & { readonly tenant?: string }>>;
  /** More flags for `heauth standalone`. */
  readonly flags?: readonly string[];
}

/** A real `heauth standalone` with an app that remembers what reached it, driven from outside. */
export interface Rig {
  /** Base URL of identity's API. */
  identity(): string;
  /** Base URL of Envoy in front of the app of NAMESPACE/POLICY. */
  app(policy?: string): string;
  /** What stands behind every Envoy. */
  readonly upstream: RecordingServer;
  /** Takes the tenants' alerts. */
  readonly receiver: Receiver;
  readonly people: People;
  /** The folder of `--data`. */
  readonly data: string;
  /** The folder of `--resources`. */
  readonly resources: string;
  /** Connection URL of the embedded PostgreSQL, as its owner. */
  databaseUrl(): Promise<string>;
  /** The process that runs now; another one after `start()`. */
  standalone(): RunningStandalone;
  /** The sidecar process of NAMESPACE/POLICY; undefined when none runs. */
  sidecar(policy?: string): Promise<SeenProcess | undefined>;
  postgres(): Promise<SeenProcess | undefined>;
  /** SIGTERM to standalone, and waits until it and all it started have ended; resolves to its exit code. */
  end(): Promise<number | null>;
  /** Starts standalone again on the same folders, after it ended or was killed. Ports are new ones. */
  start(): Promise<void>;
  /** Ends everything, by force where it must, and removes the folder. Safe to call at any time, also twice. */
  stop(): Promise<void>;
}

/** Starts everything on free ports in a folder of its own; when that fails, nothing is left. */
export async function startRig({ tenants = { acme: {} }, policies, flags = [] }: RigOptions = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-e2e-"));
  const [resources, data, run] = [join(folder, "resources"), join(folder, "data"), join(folder, "run")];
  const apps: NonNullable<RigOptions["policies"]> = policies ?? { [DEFAULT_APP]: {} };
  const receiver = await startReceiver(SIGNING_SECRET);
  const upstream = createRecordingServer({ host: "127.0.0.1", port: 0 }, () => ({ status: 200, body: "the app" }));
  let standalone: RunningStandalone | undefined;
  let started: SeenProcess[] = [];
  let stopped = false;

  async function start(): Promise<void> {
    // A test that has run out of time goes on, and must not leave another one behind.
    if (stopped) throw new Error("the rig has been stopped");
    const target = `http://127.0.0.1:${upstream.port()}`;
    const protect = Object.keys(apps).flatMap((name) => ["--protect", `${name}=127.0.0.1:0,${target}`]);
    const places = ["--resources", resources, "--data", data, "--identity", "127.0.0.1:0"];
    standalone = await startStandalone([...places, ...protect, ...flags], { ...process.env, TMPDIR: run });
    await remember(standalone.pid);
  }

  /** What it started could outlive it only if it is killed; then nobody else knows of them. */
  async function remember(pid: number): Promise<void> {
    const own = seenProcess(pid);
    started = [...started, ...(own === undefined ? [] : [own]), ...(await startedBy(pid))];
  }

  async function end(): Promise<number | null> {
    if (standalone === undefined) return null;
    await remember(standalone.pid);
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    const timer = setTimeout(() => giveUp(null), STOP_WITHIN_MS);
    const code = await Promise.race([standalone.stop(), late]);
    clearTimeout(timer);
    return code;
  }

  async function stop(): Promise<void> {
    stopped = true;
    await end();
    const postgres = await postgresOf(data);
    endByForce(postgres === undefined ? started : [...started, postgres]);
    await Promise.all([receiver.stop(), upstream.close()]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    await mkdir(run, { mode: 0o700 });
    await upstream.listen();
    const tenantSpecs = Object.entries(tenants).map(([name, spec]) => [name, tenantSpec(name, receiver.url, spec)]);
    const policySpecs = Object.entries(apps).map(([name, { tenant = "acme", ...spec }]) => [
      name,
      policySpec(tenant, spec),
    ]);
    await writeResources(resources, Object.fromEntries(tenantSpecs), Object.fromEntries(policySpecs));
    await start();
  } catch (error) {
    await stop();
    throw error;
  }

  const running = () => {
    if (standalone === undefined) throw new Error("standalone does not run");
    return standalone;
  };
  const identity = () => running().identity;
  return {
    identity,
    app: (policy = DEFAULT_APP) => running().apps.get(policy) ?? "",
    upstream,
    receiver,
    people: createPeople(identity, data),
    data,
    resources,
    databaseUrl: async () => (await readFile(join(data, "database.url"), "utf8")).trim(),
    standalone: running,
    sidecar: (policy = DEFAULT_APP) => sidecarOf(data, policy),
    postgres: () => postgresOf(data),
    end,
    start,
    stop,
  };
}
