/**
 * What a test wants to go wrong between the runtime and its store, and between the runtime and its callers:
 * a list for each moment, from which each moment takes the first.
 */

import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";
import { preview } from "../core/preview.ts";

/** A moment at which something can go wrong. */
export type FaultMoment = "commit" | "load";

/** What goes wrong at a moment of the store. */
export type StoreFault =
  | { readonly fault: "fail"; readonly of: FailedObject | null; readonly full: boolean }
  | { readonly fault: "crash"; readonly when: "before" | "after" }
  | { readonly fault: "delay"; readonly ms: number }
  | { readonly fault: "unknown"; readonly applied: boolean };

/** An object whose commit fails. */
export interface FailedObject {
  readonly type: string | { readonly type: string };
  readonly id: string;
  /** Default: the empty string. */
  readonly tenant?: string;
}

/** How a commit fails. */
export interface FailedCommit {
  /** Only a commit with this object fails, and only for it. Default: the next commit, whatever is in it. */
  readonly of?: FailedObject;
  /** Whether it fails because there is no room. Default: because the store refuses it. */
  readonly full?: boolean;
}

/** What goes wrong next. Each fault happens once, in the order in which it was asked for. */
export class Faults {
  readonly #faults: Readonly<Record<FaultMoment, StoreFault[]>> = { commit: [], load: [] };
  #lostReplies = 0;

  /** The next commit fails, and nothing of it is applied. Its callers get `COMMIT_FAILED`. */
  failNextCommit({ of, full = false }: FailedCommit = {}): void {
    this.#faults.commit.push({ fault: "fail", of: of ?? null, full });
  }

  /** The next load of an object fails. Its callers get `LOAD_FAILED`. */
  failNextLoad(): void {
    this.#faults.load.push({ fault: "fail", of: null, full: false });
  }

  /** The process dies when the next commit (or load) is about to reach the store: nothing of it is applied. */
  crashBefore(moment: FaultMoment): void {
    this.#faults[moment].push({ fault: "crash", when: "before" });
  }

  /** The process dies when the next commit is durable, before anybody hears of it. */
  crashAfter(moment: FaultMoment): void {
    this.#faults[moment].push({ fault: "crash", when: "after" });
  }

  /** The next reply is lost on its way: the caller gets `REPLY_LOST`, and cannot know what became of its call. */
  loseReply(): void {
    this.#lostReplies += 1;
  }

  /** The next commit (or load) takes so long, in virtual time. */
  delay(moment: FaultMoment, duration: Duration): void {
    const ms = parseDuration(duration);
    if (ms === null) {
      const problem = `faults.delay: ${preview(duration)} is no duration such as "2s".`;
      throw new DurableObjectError("INVALID_OPTION", problem);
    }
    this.#faults[moment].push({ fault: "delay", ms });
  }

  /**
   * The connection breaks during the next commit: the runtime cannot know whether it was applied, and finds out by
   * sending it again under the same number.
   */
  unknownCommit({ applied = true }: { readonly applied?: boolean } = {}): void {
    this.#faults.commit.push({ fault: "unknown", applied });
  }

  /** What was asked for and has not happened yet, in words. */
  get pending(): readonly string[] {
    const words = (["commit", "load"] as const).flatMap((moment) =>
      this.#faults[moment].map((fault) => `${fault.fault === "crash" ? `crash ${fault.when}` : fault.fault} ${moment}`),
    );
    return [...words, ...Array.from({ length: this.#lostReplies }, () => "lost reply")];
  }

  /** Nothing more goes wrong. */
  clear(): void {
    this.#faults.commit.length = 0;
    this.#faults.load.length = 0;
    this.#lostReplies = 0;
  }

  /** What goes wrong at this moment, and not again; for the store. */
  take(moment: FaultMoment, isMet: (fault: StoreFault) => boolean = () => true): StoreFault | null {
    const [next] = this.#faults[moment];
    if (next === undefined || !isMet(next)) return null;
    this.#faults[moment].shift();
    return next;
  }

  /** Whether this reply is lost; for the runtime. */
  takeLostReply(): boolean {
    if (this.#lostReplies === 0) return false;
    this.#lostReplies -= 1;
    return true;
  }
}
