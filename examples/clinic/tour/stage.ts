/** Everything the tour plays on: the clinic, the security team's receiver, and `heauth standalone` between them. */
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createClinic } from "../app.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { startStandalone } from "./standalone.ts";

export interface Stage {
  /** Base URL of identity's API. */
  identity: string;
  /** Base URL of the protected clinic: Envoy's listener. */
  clinic: string;
  receiver: Receiver;
  /** The folder of `--data`. */
  data: string;
  /** Connection URL of the embedded PostgreSQL, as its owner: what an attacker with the database would have. */
  databaseUrl(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts all parts on free ports and waits until they are ready. */
export async function startStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-tour-"));
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const resources = join(folder, "resources");
    const data = join(folder, "data");
    await cp(resolve(import.meta.dirname, "../resources"), resources, { recursive: true });
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
    const protect = `clinic/web=127.0.0.1:0,${upstream}`;
    const flags = ["--resources", resources, "--data", data, "--identity", "127.0.0.1:0", "--protect", protect];
    const standalone = await startStandalone(flags);
    ends.push(() => standalone.stop());

    return {
      identity: standalone.identity,
      clinic: standalone.apps.get("clinic/web") ?? "",
      receiver,
      data,
      databaseUrl: async () => (await readFile(join(data, "database.url"), "utf8")).trim(),
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
