/** Tells of a key at once, and of what happens to it afterwards together, after a while. */
export class Coalescer {
  readonly #everyMs: number;
  readonly #tell: (key: string) => void;
  /** Keys that were told of lately, and whether there is news of them since. */
  readonly #lately = new Map<string, { readonly timer: NodeJS.Timeout; news: boolean }>();

  constructor(everyMs: number, tell: (key: string) => void) {
    this.#everyMs = everyMs;
    this.#tell = tell;
  }

  add(key: string): void {
    const told = this.#lately.get(key);
    if (told === undefined) this.#fire(key);
    else told.news = true;
  }

  stop(): void {
    for (const { timer } of this.#lately.values()) clearTimeout(timer);
    this.#lately.clear();
  }

  #fire(key: string): void {
    const timer = setTimeout(() => {
      const { news } = this.#lately.get(key) ?? {};
      this.#lately.delete(key);
      if (news) this.#fire(key);
    }, this.#everyMs);
    this.#lately.set(key, { timer, news: false });
    this.#tell(key);
  }
}
