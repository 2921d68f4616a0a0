import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../errors.ts";
import type { AnchoredTenant, AnchorStore } from "./store.ts";

const TENANT_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Keeps each tenant's anchor in `<folder>/<tenant>.checkpoint`: replaced in one step, and flushed, file and folder. */
export class AnchorFiles implements AnchorStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file of a tenant. @throws OperatorError TenantNameInvalid: nothing outside the folder is ever touched */
  pathOf(tenantName: string): string {
    if (!TENANT_NAME.test(tenantName)) throw new OperatorError("TenantNameInvalid", "a tenant's name is a DNS label");
    return join(this.#folder, `${tenantName}.checkpoint`);
  }

  async read({ name }: Pick<AnchoredTenant, "name">): Promise<string | undefined> {
    try {
      return await readFile(this.pathOf(name), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Durable when it resolves. */
  async write({ name }: Pick<AnchoredTenant, "name">, note: string): Promise<void> {
    const path = this.pathOf(name);
    await mkdir(this.#folder, { recursive: true, mode: 0o711 });
    // A name of its own: two who write at once must not get at each other's draft.
    const draft = `${path}.${randomUUID()}.new`;
    try {
      await writeFlushed(draft, note);
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async forget({ name }: Pick<AnchoredTenant, "name">): Promise<void> {
    await rm(this.pathOf(name), { force: true });
  }
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isMissing(error: unknown): boolean {
  return Error.isError(error) && "code" in error && error.code === "ENOENT";
}
