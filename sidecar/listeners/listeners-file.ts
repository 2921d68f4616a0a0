import { rename, writeFile } from "node:fs/promises";

/** Who owns the file, and Envoy by its group; nobody else. */
const MODE = 0o640;

/** A file that Envoy reads again each time another one takes its place. */
export class ListenersFile {
  readonly #path: string;
  #written: string | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Replaces the file as a whole, in the order of the calls; does nothing where that is what was written last. Rejects when it can't be
   * written; then the file is as it was, and the next call writes it.
   */
  write(listeners: string): Promise<void> {
    const writing = this.#last.catch(() => {}).then(() => this.#replace(listeners));
    this.#last = writing;
    return writing;
  }

  async #replace(listeners: string): Promise<void> {
    if (listeners === this.#written) return;
    const next = `${this.#path}.next`;
    await writeFile(next, listeners, { mode: MODE });
    await rename(next, this.#path);
    this.#written = listeners;
  }
}
