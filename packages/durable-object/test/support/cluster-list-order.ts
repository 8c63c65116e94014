/**
 * Whether what callers heard of a list fits the list. Entries are appended once each, and the answer to an append is
 * the index of the entry; the answer to a look is the length. So the list itself tells in which order everything has
 * happened, and judging takes no search: any length, any number of callers.
 */

import type { HeardOperation } from "./linearizable.ts";

/** What callers ask of a list; the answer is a number either way. */
export type ListInput = { readonly ask: "append"; readonly entry: string } | { readonly ask: "look" };

/** An operation on a list. */
export type ListOperation = HeardOperation<ListInput, number>;

/**
 * What is wrong with a list, or null: an acknowledged entry that is not at its index, an entry that is there twice, was
 * reported as not applied or was never appended, and operations that overtook others which were over before them.
 *
 * @param entries - the list as it is in the end
 */
export function listProblem(operations: readonly ListOperation[], entries: readonly string[]): string | null {
  return contentProblem(operations, entries) ?? orderProblem(operations, entries);
}

function contentProblem(operations: readonly ListOperation[], entries: readonly string[]): string | null {
  const places = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const earlier = places.get(entry);
    if (earlier !== undefined) return `${entry} is there twice, at ${earlier} and ${index}`;
    places.set(entry, index);
  }
  const appended = new Set<string>();
  for (const { input, ending } of operations) {
    if (input.ask === "look") continue;
    appended.add(input.entry);
    const index = places.get(input.entry);
    if (ending.outcome === "not-applied" && index !== undefined) {
      return `${input.entry} was reported as not applied, and is at ${index}`;
    }
    if (ending.outcome === "ok" && index !== ending.output) {
      const where = index === undefined ? "is not there" : `is at ${index}`;
      return `${input.entry} was acknowledged at ${ending.output}, and ${where}`;
    }
  }
  const stranger = entries.find((entry) => !appended.has(entry));
  return stranger === undefined ? null : `${stranger} was never appended`;
}

/** An operation at its place in the order that the list tells. */
interface Placed {
  readonly operation: ListOperation;
  /** Before the entry of this index. */
  readonly place: number;
}

/** Nothing may come before what was over when it was called. */
function orderProblem(operations: readonly ListOperation[], entries: readonly string[]): string | null {
  const indexes = new Map(entries.map((entry, index) => [entry, index]));
  const placed = operations.flatMap((operation): Placed[] => {
    const { input, ending } = operation;
    if (input.ask === "look") return ending.outcome === "ok" ? [{ operation, place: ending.output - 0.5 }] : [];
    const index = indexes.get(input.entry);
    return index === undefined ? [] : [{ operation, place: index }];
  });
  placed.sort((a, b) => a.place - b.place || a.operation.calledMs - b.operation.calledMs);
  let latest: ListOperation | null = null;
  for (const { operation } of placed) {
    if (latest === null || operation.calledMs > latest.calledMs) latest = operation;
    const { ending } = operation;
    if (ending.outcome === "ok" && ending.atMs < latest.calledMs) {
      return `${told(latest)} was called at ${latest.calledMs}, after ${told(operation)}, at ${ending.atMs}, which it does not know of`;
    }
  }
  const tooLong = placed.find(({ place }) => place > entries.length);
  return tooLong === undefined ? null : `${told(tooLong.operation)}, and there are ${entries.length} entries`;
}

function told({ input, ending }: ListOperation): string {
  const what = input.ask === "look" ? "a look" : `the append of ${input.entry}`;
  return ending.outcome === "ok" ? `${what} that was answered ${ending.output}` : what;
}
