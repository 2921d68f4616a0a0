import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../errors.ts";
import type { AnchorStore } from "./store.ts";

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

  async read(tenantName: string): Promise<string | undefined> {
    try {
      return await readFile(this.pathOf(tenantName), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async write(tenantName: string, note: string): Promise<void> {
    const path = this.pathOf(tenantName);
    await mkdir(this.#folder, { recursive: true, mode: 0o711 });
    const fresh = `${path}.new`;
    const file = await open(fresh, "w", 0o644);
    try {
      await file.writeFile(note);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

function isMissing(error: unknown): boolean {
  return Error.isError(error) && "code" in error && error.code === "ENOENT";
}
