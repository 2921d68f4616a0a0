/** Everything the tour plays on: the clinic, the security team's receiver, and `heauth standalone` between them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { createClinic } from "../app.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const root = resolve(import.meta.dirname, "../../..");
const heauth = join(root, "node_modules/.bin/heauth");

export interface Stage {
  /** Base URL of identity's API. */
  identity: string;
  /** Base URL of the protected clinic: Envoy's listener. */
  clinic: string;
  receiver: Receiver;
  data: string;
  /** Connection URL of the embedded PostgreSQL, as its owner: what an attacker with the database would have. */
  databaseUrl(): Promise<string>;
  /** Runs `npx heauth …` and returns its exit code and what it printed. */
  heauth(args: string[], input?: string): Promise<{ code: number | null; output: string }>;
  stop(): Promise<void>;
}

/** Starts all parts on free ports and waits until they are ready. */
export async function startStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-tour-"));
  await chmod(folder, 0o711); // PostgreSQL may run as a user of its own, who must get through
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const resources = join(folder, "resources");
    const data = join(folder, "data");
    await cp(join(root, "examples/clinic/resources"), resources, { recursive: true });
    const receiver = await startReceiver(await signingSecret(join(resources, "tenant.yaml")));
    ends.push(() => receiver.stop());
    await replaceIn(join(resources, "tenant.yaml"), /http:\/\/127\.0\.0\.1:9099\/alerts/, receiver.url);

    const clinic = createClinic().listen(0, "127.0.0.1");
    await once(clinic, "listening");
    ends.push(async () => {
      clinic.closeAllConnections();
      await new Promise((done) => clinic.close(done));
    });
    const upstream = `http://127.0.0.1:${(clinic.address() as AddressInfo).port}`;

    const args = ["standalone", "--resources", resources, "--data", data, "--identity", "127.0.0.1:0"];
    args.push("--protect", `clinic/web=127.0.0.1:0,${upstream}`);
    const { child, addresses } = await startStandalone(args);
    ends.push(() => end(child));

    return {
      identity: addresses.get("identity") ?? "",
      clinic: addresses.get("clinic/web") ?? "",
      receiver,
      data,
      databaseUrl: async () => (await readFile(join(data, "database.url"), "utf8")).trim(),
      heauth: (command, input) => run(command, input),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The signing secret that the resources name for the receiver. */
async function signingSecret(file: string): Promise<string> {
  const secret = /signing: (whsec_\S+)/.exec(await readFile(file, "utf8"))?.[1];
  if (!secret) throw new Error(`${file} names no signing secret`);
  return secret;
}

async function replaceIn(file: string, what: RegExp, by: string): Promise<void> {
  await writeFile(file, (await readFile(file, "utf8")).replace(what, by));
}

/** Resolves with the addresses of the line `ready identity=URL NAMESPACE/POLICY=URL …`; rejects with the log if it ends before. */
async function startStandalone(args: string[]) {
  const child = spawn(heauth, args, { stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line);
    if (log.length > 200) log.shift();
  });
  const line = await new Promise<string>((done, fail) => {
    createInterface({ input: child.stdout }).on("line", (text) => text.startsWith("ready ") && done(text));
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`heauth standalone ended with ${code}:\n${log.join("\n")}`)));
  });
  const addresses = new Map(
    line
      .split(" ")
      .slice(1)
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  return { child, addresses };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

async function run(args: string[], input = ""): Promise<{ code: number | null; output: string }> {
  const child = spawn(heauth, args, { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
