/**
 * Segments whose records could not be had: missing, unreadable, or of a journal that has no say. What depends on them
 * (links, block roots, sessions' openings) is then not reported a second time. Never larger than the number of findings.
 */
export class Damage {
  readonly #ranges = new Map<string, { readonly first: number; readonly last: number }[]>();
  readonly #whole = new Set<string>();

  /** Is there any at all? */
  get any(): boolean {
    return this.#ranges.size > 0 || this.#whole.size > 0;
  }

  /** The journal's segments from `first` to `last`. */
  mark(journal: string, first: number, last = first): void {
    const ranges = this.#ranges.get(journal) ?? [];
    ranges.push({ first, last });
    this.#ranges.set(journal, ranges);
  }

  /** Nothing of the journal can be had. */
  markWhole(journal: string): void {
    this.#whole.add(journal);
  }

  isWhole(journal: string): boolean {
    return this.#whole.has(journal);
  }

  /** Is one of the journal's segments from `first` to `last` damaged? */
  between(journal: string, first: number, last: number): boolean {
    if (!this.any) return false;
    if (this.#whole.has(journal)) return true;
    return this.#ranges.get(journal)?.some((range) => range.last >= first && range.first <= last) ?? false;
  }
}
