/**
 * A line from a simulated process to something outside it. Requests and answers take time. A request may
 * arrive late, after its sender has given up or died; it may arrive twice, or never; so may its answer.
 */

import { messageOf } from "../core/errors.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** How often things go wrong on a line, each a probability for one request. */
export interface LineFaults {
  /** The request takes up to `latestMs` to arrive. */
  readonly late: number;
  /** The request never arrives. */
  readonly lostRequest: number;
  /** The answer never arrives. */
  readonly lostAnswer: number;
  /** The request arrives a second time, later. */
  readonly twice: number;
}

const latestMs = 9_000;

/** Nothing came back in time. Whether the request was carried out is not known. */
export class Unanswered extends Error {
  constructor(name: string) {
    super(`${name} did not answer in time`);
    this.name = "Unanswered";
  }
}

/** A line that is not to be trusted. */
export class SimulatedLine {
  readonly #process: SimulatedProcess;
  readonly #name: string;
  readonly #faults: () => LineFaults;
  /** Until when nothing gets through, in ms of the world. */
  cutUntilMs = -Infinity;

  /** @param faults - asked for each request: a line can be healed */
  constructor(process: SimulatedProcess, name: string, faults: () => LineFaults) {
    this.#process = process;
    this.#name = name;
    this.#faults = faults;
  }

  /**
   * Has something carried out at the other end.
   *
   * @param timeoutMs - how long to wait, by the clock of the process
   * @throws {@link Unanswered}, or what `execute` throws
   */
  request<Answer>(execute: () => Promise<Answer>, timeoutMs: number): Promise<Answer> {
    const { world, environment } = this.#process;
    const faults = this.#faults();
    const lost = world.nowMs < this.cutUntilMs || world.chance(faults.lostRequest);
    return new Promise((resolve, reject) => {
      const timer = environment.after(timeoutMs, () => reject(new Unanswered(this.#name)));
      const answer = (settle: () => void): void => {
        if (world.nowMs < this.cutUntilMs || world.chance(faults.lostAnswer)) return;
        world.after(world.chance(0.03) ? world.between(20, 700) : world.between(0.1, 2), () =>
          this.#process.run(() => {
            timer.cancel();
            settle();
          }),
        );
      };
      // What was refused does not arrive again: a connection repeats nothing by itself, and who asks knows better.
      const again = (): void => {
        if (!world.chance(faults.twice)) return;
        world.after(world.between(1, latestMs), () => void execute().catch(() => undefined));
      };
      const arrive = (): void =>
        void execute().then(
          (result) => {
            again();
            answer(() => resolve(result));
          },
          (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(messageOf(error)))),
        );
      if (lost) return;
      world.after(world.chance(faults.late) ? world.between(50, latestMs) : world.between(0.1, 2), arrive);
    });
  }
}
