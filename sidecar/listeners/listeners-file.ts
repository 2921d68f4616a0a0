import { rename, writeFile } from "node:fs/promises";

/** Who owns the file, and Envoy by its group; nobody else. */
const MODE = 0o640;

/** A file that Envoy reads again each time another one takes its place. */
export class ListenersFile {
  readonly #path: string;
  #written: string | undefined;
  #writtenAtMs = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** When it was last written, in ms since the Unix epoch. */
  get writtenAtMs(): number {
    return this.#writtenAtMs;
  }

  /**
   * Replaces the file as a whole, in the order of the calls; does nothing where that is what was written last. Rejects when it can't be
   * written; then the file is as it was, and the next call writes it.
   * @returns whether anything was written
   */
  write(listeners: string): Promise<boolean> {
    return this.#queue(async () => {
      if (listeners === this.#written) return false;
      await this.#replace(listeners);
      return true;
    });
  }

  /** Puts there again what was written last: Envoy reads it once more. */
  again(): Promise<void> {
    return this.#queue(async () => {
      if (this.#written !== undefined) await this.#replace(this.#written);
    });
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const working = this.#last.catch(() => {}).then(work);
    this.#last = working;
    return working;
  }

  async #replace(listeners: string): Promise<void> {
    const next = `${this.#path}.next`;
    await writeFile(next, listeners, { mode: MODE });
    // Before Envoy can see it: what it says of its listeners from then on is of these.
    this.#writtenAtMs = Date.now();
    await rename(next, this.#path);
    this.#written = listeners;
  }
}
