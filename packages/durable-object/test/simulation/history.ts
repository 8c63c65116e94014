/**
 * The history of a simulation: what clients asked and heard, and when, held against what is there in the
 * end. The main operation appends an entry and hears its index, so the whole order can be told afterwards.
 */

import assert from "node:assert/strict";
import { DurableObjectError } from "../../src/index.ts";
import type { SimulatedClient } from "../../src/testing/simulate.ts";

type Ending = "ok" | "not-applied" | "unknown";

interface Asked {
  readonly id: string;
  readonly kind: "append" | "look" | "peek" | "remind";
  readonly entry: string;
  readonly askedMs: number;
  readonly heardMs: number;
  readonly ending: Ending;
  /** The index of the entry, or the length that was seen. */
  readonly heard: number;
}

/** What clients asked and heard. */
export class History {
  readonly #asked: Asked[] = [];
  /** Hears of every failure: where nothing goes wrong, there must be none. */
  readonly #failed: ((error: DurableObjectError, call: string) => void) | null;

  constructor(failed: ((error: DurableObjectError, call: string) => void) | null = null) {
    this.#failed = failed;
  }

  append(client: SimulatedClient, id: string, entry: string, call: () => Promise<number>): Promise<void> {
    return this.#follow(client, id, "append", entry, call);
  }

  look(client: SimulatedClient, id: string, call: () => Promise<number>): Promise<void> {
    return this.#follow(client, id, "look", "", call);
  }

  /** Asks the store, which may be ahead of what its owner has told. */
  peek(client: SimulatedClient, id: string, call: () => Promise<number>): Promise<void> {
    return this.#follow(client, id, "peek", "", call);
  }

  remind(client: SimulatedClient, id: string, entry: string, call: () => Promise<unknown>): Promise<void> {
    return this.#follow(client, id, "remind", entry, async () => {
      await call();
      return 0;
    });
  }

  async #follow(
    client: SimulatedClient,
    id: string,
    kind: Asked["kind"],
    entry: string,
    call: () => Promise<number>,
  ): Promise<void> {
    const askedMs = client.nowMs;
    const write = (ending: Ending, heard: number, how: string): void => {
      this.#asked.push({ id, kind, entry, askedMs, heardMs: client.nowMs, ending, heard });
      client.note(`${kind} ${entry} on ${id}: ${how}`);
    };
    try {
      const heard = await call();
      write("ok", heard, String(heard));
    } catch (error) {
      if (!(error instanceof DurableObjectError)) throw error;
      this.#failed?.(error, `${kind} ${entry} on ${id}`);
      write(error.outcome, 0, `${error.code}, ${error.outcome}`);
    }
  }

  /** Entries that were acknowledged must have come in this order. */
  inOrder(id: string, entries: readonly string[]): void {
    const known = this.#of(id, "append").filter(({ ending, entry }) => ending === "ok" && entries.includes(entry));
    const indexes = entries.flatMap((entry) => known.filter((each) => each.entry === entry).map(({ heard }) => heard));
    assert.deepEqual(
      indexes,
      indexes.toSorted((a, b) => a - b),
      `calls on ${id} overtook each other: ${entries.join(" ")}`,
    );
  }

  /** Whether everything that was to fire has fired. */
  allFired(id: string, fired: readonly string[]): boolean {
    return this.#of(id, "remind").every(({ ending, entry }) => ending !== "ok" || fired.includes(entry));
  }

  /** Holds every answer against what an object has become. */
  judge(id: string, final: { readonly entries: readonly string[]; readonly fired: readonly string[] }): void {
    const { entries, fired } = final;
    assert.equal(new Set(entries).size, entries.length, `an entry of ${id} was applied twice: ${entries.join(" ")}`);
    assert.equal(new Set(fired).size, fired.length, `an alarm of ${id} took effect twice: ${fired.join(" ")}`);
    for (const { ending, entry, heard } of this.#of(id, "append")) {
      if (ending === "ok") {
        assert.equal(entries[heard], entry, `${entry} was acknowledged at index ${heard} of ${id}, and is not there`);
      } else if (ending === "not-applied") {
        assert(!entries.includes(entry), `${entry} was reported as not applied to ${id}, and is there`);
      }
    }
    for (const { ending, entry } of this.#of(id, "remind")) {
      if (ending === "ok")
        assert(fired.includes(entry), `the alarm ${entry} of ${id} was acknowledged, and did not fire`);
      else if (ending === "not-applied") assert(!fired.includes(entry), `the alarm ${entry} of ${id} was never set`);
    }
    this.#judgeOrder(id, entries.length);
  }

  /** Nobody sees less than what somebody had heard of before asking, nor more than there ever was. */
  #judgeOrder(id: string, length: number): void {
    const heard = this.#asked.filter((asked) => asked.id === id && asked.kind !== "remind" && asked.ending === "ok");
    const byAsking = [...heard].sort((a, b) => a.askedMs - b.askedMs);
    const byHearing = heard.filter(({ kind }) => kind !== "peek").sort((a, b) => a.heardMs - b.heardMs);
    let known = 0;
    let next = 0;
    for (const asked of byAsking) {
      for (
        let other = byHearing[next];
        other !== undefined && other.heardMs < asked.askedMs;
        other = byHearing[++next]
      ) {
        known = Math.max(known, lengthSeen(other));
      }
      const seen = asked.heard;
      assert(seen >= known, `${asked.kind} ${asked.entry} on ${id} saw ${seen} entries, after ${known} had been seen`);
      assert(seen <= length, `${asked.kind} on ${id} saw ${seen} entries, and there are ${length}`);
    }
  }

  #of(id: string, kind: Asked["kind"]): readonly Asked[] {
    return this.#asked.filter((asked) => asked.id === id && asked.kind === kind);
  }
}

/** How long the log was, for all that an answer tells. */
function lengthSeen({ kind, heard }: Asked): number {
  return kind === "append" ? heard + 1 : heard;
}
