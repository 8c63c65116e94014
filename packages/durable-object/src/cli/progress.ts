/** A bar on the standard error while something long goes on. A terminal is needed; elsewhere nothing is printed. */

import type { Shell } from "./shell.ts";

const width = 30;
/** How often it is drawn, in ms. */
const intervalMs = 100;

export class Progress {
  readonly #shell: Shell;
  readonly #what: string;
  readonly #total: number | null;
  #count = 0;
  #drawnAt = -Infinity;

  /** @param total - null if it is not known */
  constructor(shell: Shell, what: string, total: number | null) {
    this.#shell = shell;
    this.#what = what;
    this.#total = total;
  }

  step(count = 1): void {
    this.#count += count;
    if (performance.now() < this.#drawnAt + intervalMs) return;
    this.#drawnAt = performance.now();
    this.#draw();
  }

  /** Wipes the bar away. */
  end(): void {
    if (this.#isSeen) this.#shell.surroundings.stderr.write("\r\u001b[K");
  }

  get #isSeen(): boolean {
    return !this.#shell.json && this.#shell.surroundings.stderr.isTTY === true;
  }

  #draw(): void {
    if (!this.#isSeen) return;
    const total = this.#total;
    const share = total === null || total === 0 ? null : Math.min(1, this.#count / total);
    const bar =
      share === null
        ? ""
        : `[${"█".repeat(Math.round(share * width)).padEnd(width, "·")}] ${Math.floor(share * 100)} % `;
    const of = total === null ? `${this.#count}` : `${this.#count} of ${total}`;
    this.#shell.surroundings.stderr.write(`\r\u001b[K${this.#what} ${bar}${of}`);
  }
}
