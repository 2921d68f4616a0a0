import type { Progress } from "@heauth/core/ledger";

/** Where a bar can be drawn: standard error, when it is a terminal. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const WIDTH = 30;

/** One line on a terminal that shows how far the verification is; nothing anywhere else. */
export class ProgressBar {
  readonly #terminal: Terminal;
  #drawn = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  readonly show: Progress = ({ entries, of, records }) => {
    if (this.#terminal.isTTY !== true) return;
    const part = of === 0 ? 1 : Math.min(1, entries / of);
    const full = Math.round(part * WIDTH);
    const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
    const line = `${bar} ${Math.floor(part * 100)} %  ${entries} of ${of} entries, ${records} records`;
    this.#terminal.write(`\r\u001b[K${line.slice(0, (this.#terminal.columns ?? 80) - 1)}`);
    this.#drawn = true;
  };

  clear(): void {
    if (this.#drawn) this.#terminal.write("\r\u001b[K");
    this.#drawn = false;
  }
}
