import { keyText, type ResourceKey } from "../source/source.ts";

/** The first time that everything is reconciled, stage by stage: policies are compiled against tenants, so those go first. */
export class FirstPass {
  readonly #over = Promise.withResolvers<void>();
  readonly #waiting = new Set<string>();
  /** Of stages that have not begun. */
  #later: Set<string>[] = [];
  #add: (key: string) => void = () => {};

  /** Resolves when every stage is done. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** @param add asks for a key to be reconciled */
  begin(stages: readonly (readonly ResourceKey[])[], add: (key: string) => void): void {
    this.#later = stages.map((stage) => new Set(stage.map(keyText)));
    this.#add = add;
    this.#next();
  }

  /** Whether the key's stage has not begun: it will be asked for then, and need not be before. */
  comes(key: string): boolean {
    return this.#later.some((stage) => stage.has(key));
  }

  /**
   * A key is being reconciled. What began before its stage does not count: it may not have seen what the stage before has made.
   * @returns to be called when that is done
   */
  running(key: string): () => void {
    if (!this.#waiting.has(key)) return () => {};
    return () => {
      if (this.#waiting.delete(key) && this.#waiting.size === 0) this.#next();
    };
  }

  #next(): void {
    while (this.#waiting.size === 0) {
      const stage = this.#later.shift();
      if (stage === undefined) break;
      for (const key of stage) this.#waiting.add(key);
    }
    if (this.#waiting.size === 0) this.#over.resolve();
    for (const key of [...this.#waiting]) this.#add(key);
  }
}
