import { once } from "node:events";
import { access, constants } from "node:fs/promises";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type FSWatcher, watch } from "chokidar";
import { OperatorError } from "../errors.ts";
import { isHidden, readFolder } from "./folder-files.ts";
import { lookUpSecret, type Secret } from "./secret.ts";
import { type Entry, emptySnapshot, type Snapshot, takeSnapshot } from "./snapshot.ts";
import {
  type Kind,
  type Kinds,
  keyText,
  type Observed,
  parseKey,
  type ResourceKey,
  type ResourceSource,
  type SecretKeyRef,
  type SecretReading,
  type SourceProblem,
} from "./source.ts";

export interface FolderSourceOptions {
  /** The folder; files in folders below it count too. */
  readonly folder: string;
  /** Told after each reading whose problems differ from the last one's; an empty list: all is well again. */
  readonly onProblems: (problems: readonly SourceProblem[]) => void;
  /** The folder can't be watched or read any more; what is in force stays so. */
  readonly onError: (error: unknown) => void;
  /** How long the folder must be quiet before it is read: files are written in more than one step. */
  readonly quietMs?: number;
}

/** Resources from a folder of YAML files (`*.yaml`, `*.yml`), watched. */
export class FolderSource implements ResourceSource {
  readonly #options: Required<FolderSourceOptions>;
  readonly #listeners = new Set<(key: ResourceKey) => void>();
  #snapshot: Snapshot = emptySnapshot;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: FolderSourceOptions) {
    this.#options = { quietMs: 150, ...options, folder: resolve(options.folder) };
  }

  /** Everything that is wrong with the files now. */
  get problems(): readonly SourceProblem[] {
    return this.#snapshot.problems;
  }

  /** Whether there are files, or documents in them, that do not even say what they are. */
  get incomplete(): boolean {
    return this.#snapshot.incomplete;
  }

  /** @throws OperatorError `FolderUnreadable` */
  async start(): Promise<void> {
    const { folder, onError } = this.#options;
    await access(folder, constants.R_OK).catch((cause: unknown) => {
      throw new OperatorError("FolderUnreadable", `the folder ${folder} can't be read`, { cause });
    });
    const watcher = watch(folder, {
      ignoreInitial: true,
      ignored: (path) => path.startsWith(`${folder}/`) && isHidden(path.slice(folder.length + 1)),
    });
    this.#watcher = watcher;
    watcher.on("all", () => this.#readSoon()).on("error", onError);
    await once(watcher, "ready");
    await this.#read();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#watcher?.close();
    clearTimeout(this.#timer);
    await this.#reading;
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Observed<Kinds[K]> | undefined {
    // A key holds its kind: what is found under it is of that kind.
    return this.#snapshot.entries.get(keyText({ kind, namespace, name })) as Observed<Kinds[K]> | undefined;
  }

  list(kind: Kind): readonly ResourceKey[] {
    return [...this.#snapshot.entries.keys()].filter((key) => key.startsWith(`${kind}/`)).map(parseKey);
  }

  secret(tenant: string, ref: SecretKeyRef): SecretReading {
    return lookUpSecret(secretOf(this.#snapshot.entries.get(`Secret//${ref.name}`)), tenant, ref);
  }

  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined {
    const inForce = this.#snapshot.entries.get(`Namespace//${namespace}`)?.inForce;
    return inForce !== undefined && "labels" in inForce ? inForce.labels : undefined;
  }

  onChange(listener: (key: ResourceKey) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #readSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#reading = this.#reading.then(() => this.#read()).catch(this.#options.onError);
    }, this.#options.quietMs);
  }

  async #read(): Promise<void> {
    const before = this.#snapshot;
    this.#snapshot = takeSnapshot(await readFolder(this.#options.folder), before);
    if (!isDeepStrictEqual(before.problems, this.#snapshot.problems)) this.#options.onProblems(this.#snapshot.problems);
    for (const key of changedKeys(before, this.#snapshot)) {
      for (const listener of this.#listeners) listener(key);
    }
  }
}

/** What differs: resources, the tenants that changed Secrets are labelled for, and the policies in changed Namespaces. */
function changedKeys(before: Snapshot, after: Snapshot): ResourceKey[] {
  const changed = new Set<string>();
  for (const key of new Set([...before.entries.keys(), ...after.entries.keys()])) {
    const old = before.entries.get(key);
    const now = after.entries.get(key);
    if (isDeepStrictEqual(old, now)) continue;
    const [kind, , name] = key.split("/");
    if (kind === "Secret") {
      for (const tenant of [secretOf(old)?.tenant, secretOf(now)?.tenant]) {
        if (tenant !== undefined) changed.add(keyText({ kind: "Tenant", namespace: "", name: tenant }));
      }
    } else if (kind === "Namespace") {
      for (const policy of after.entries.keys()) if (policy.startsWith(`AuthPolicy/${name}/`)) changed.add(policy);
    } else changed.add(key);
  }
  return [...changed].map(parseKey);
}

function secretOf(entry: Entry | undefined): Secret | undefined {
  const { inForce } = entry ?? {};
  return inForce !== undefined && "data" in inForce ? inForce : undefined;
}
