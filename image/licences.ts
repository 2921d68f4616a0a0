import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NODE_MANIFEST } from "./native-packages.ts";

/** The folder of a package, from the path of one of its files. */
const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE = /^(licen[cs]e|copying|notice)/i;
const BETWEEN = `\n${"=".repeat(100)}\n\n`;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type: string };
}

/**
 * Writes the licences of heauth, of all packages that the files are of, and of Node, into one file.
 * @throws Error where a package tells of none
 */
export async function writeLicences(options: {
  readonly root: string;
  /** Paths below the root. */
  readonly inputs: readonly string[];
  readonly file: string;
}): Promise<void> {
  const { root, inputs, file } = options;
  const others = inputs.filter((input) => input !== NODE_MANIFEST);
  const folders = new Set(others.flatMap((input) => PACKAGE.exec(input)?.[0] ?? []));
  const own = `heauth\n\n${await readFile(join(root, "LICENSE"), "utf8")}`;
  const packages = await Promise.all([...folders].sort().map((folder) => licenceOf(join(root, folder))));
  const all = [own, ...new Set(packages), await licenceOfNode(root)];
  await writeFile(file, all.map((text) => `${text.trim()}\n`).join(BETWEEN));
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = await readManifest(join(folder, "package.json"));
  const identifier = typeof license === "object" ? license.type : license;
  const files = (await readdir(folder)).filter((each) => LICENCE.test(each)).sort();
  const texts = await Promise.all(files.map((each) => readFile(join(folder, each), "utf8")));
  if (identifier === undefined && texts.length === 0) throw new Error(`${folder} tells of no licence`);
  return [`${name} ${version}`, `Licence: ${identifier ?? "see below"}`, ...texts].join("\n\n");
}

/** npm's package `node` leaves it out: it is kept here, as it comes with Node's own archives, for each version anew. */
async function licenceOfNode(root: string): Promise<string> {
  const { version } = await readManifest(join(root, NODE_MANIFEST));
  return `Node.js ${version}\n\n${await readFile(join(root, `image/licences/node-${version}.txt`), "utf8")}`;
}

async function readManifest(file: string): Promise<Manifest> {
  return JSON.parse(await readFile(file, "utf8")) as Manifest;
}
