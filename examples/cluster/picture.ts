/**
 * The picture: everything that is shown at one moment, made of what the database says, what the nodes told, and
 * what their clients wrote down.
 */

import { counterCount, counterId } from "./clients.ts";
import type { Fleet } from "./fleet.ts";
import { slotCount, type Survey } from "./survey.ts";

/** One node. */
export interface NodePicture {
  readonly name: string;
  readonly pid: number;
  /** What its process does; `gone` if it is dead and the others have not noticed yet. */
  readonly phase: string;
  readonly slots: number;
  readonly callsPerSecond: number;
  /** Calls of its clients that failed, by code. */
  readonly failures: Readonly<Record<string, number>>;
  readonly longestMs: number;
  /** How long ago it has renewed its lease; null if it has none. */
  readonly silentMs: number | null;
}

/** What was acknowledged, compared with what is there. */
export interface Comparison {
  readonly acknowledged: number;
  readonly found: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** There, and nobody has asked for it. */
  readonly twice: number;
  /** Whose outcome is not known, or not yet. */
  readonly unknown: number;
}

/** Everything at one moment. */
export interface Picture {
  readonly nodes: readonly NodePicture[];
  /** The node that owns each slot, by name; null if nobody does. */
  readonly owners: readonly (string | null)[];
  readonly comparison: Comparison;
}

/** Takes pictures of a fleet. */
export class Camera {
  readonly #fleet: Fleet;
  readonly #survey: Survey;
  /** What was in the database before. */
  readonly #before: ReadonlyMap<string, number>;

  constructor(fleet: Fleet, survey: Survey, before: ReadonlyMap<string, number>) {
    this.#fleet = fleet;
    this.#survey = survey;
    this.#before = before;
  }

  async take(): Promise<Picture> {
    const fleet = this.#fleet;
    const members = await this.#survey.members();
    const owners: (string | null)[] = Array.from({ length: slotCount }, () => null);
    for (const { name, slots } of members) for (const slot of slots) owners[slot] = name;
    const names = new Set([...members, ...fleet.nodes].map(({ name }) => name));
    const nodes = [...names].sort(byNumber).map((name): NodePicture => {
      const member = members.find((each) => each.name === name);
      const node = fleet.node(name);
      const { calls, failures, longestMs } = node ? fleet.lately(node) : { calls: 0, failures: {}, longestMs: 0 };
      return {
        name,
        pid: node?.pid ?? member?.pid ?? -1,
        phase: node?.phase ?? "gone",
        slots: member?.slots.length ?? 0,
        callsPerSecond: calls,
        failures,
        longestMs,
        silentMs: member?.silentMs ?? null,
      };
    });
    return { nodes, owners, comparison: await this.compare() };
  }

  /** Compares counter by counter: a loss in one cannot hide behind an unknown outcome in another. */
  async compare(): Promise<Comparison> {
    // In this order it is right while clients work: what was acknowledged before must be there, and nothing can be
    // there that was not begun before the ledgers are read again.
    const { acknowledged } = this.#fleet.knowledge();
    const counts = await this.#survey.counts();
    const { possible } = this.#fleet.knowledge();
    const comparison = { acknowledged: 0, found: 0, lost: 0, twice: 0, unknown: 0 };
    for (let counter = 0; counter < counterCount; counter++) {
      const id = counterId(counter);
      const least = acknowledged[counter] ?? 0;
      const most = possible[counter] ?? 0;
      const found = (counts.get(id) ?? 0) - (this.#before.get(id) ?? 0);
      comparison.acknowledged += least;
      comparison.found += found;
      comparison.lost += Math.max(0, least - found);
      comparison.twice += Math.max(0, found - most);
      comparison.unknown += most - least;
    }
    return comparison;
  }
}

function byNumber(a: string, b: string): number {
  return Number(a.slice(1)) - Number(b.slice(1));
}
