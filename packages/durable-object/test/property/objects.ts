/**
 * The objects under test: logs, to which every operation adds an entry of its own, and tallies, which only
 * count. Their handlers tell a witness what they see and do, and wait at gates of the virtual world.
 */

import { defineObject, destroy, fail, read, reply } from "../../src/index.ts";
import type { LogState, Sighting } from "./ledger.ts";
import { sightingOf } from "./ledger.ts";

/** Where a turn runs. */
export interface TurnPlace {
  readonly id: string;
  readonly signal: AbortSignal;
}

/** Who is told what handlers see, and makes them wait. */
export interface Witness {
  /** A turn that may write has started. Returns what to call when it is over. */
  turnStarted(place: TurnPlace, state: LogState, kind: "sync" | "async"): () => void;
  /** What a log told another object must be durable. */
  heard(id: string, sighting: Sighting): void;
  /** A handler adds to a tally. */
  adding(id: string, count: Promise<number>): Promise<number>;
  /** The name of a log that is born with this entry: no two have the same. */
  newName(entry: string): string;
  /** Resolves when it is picked. */
  gate(): Promise<void>;
}

/** An entry of a log, and where it is. */
export interface Entry {
  readonly born: string;
  readonly index: number;
}

function entryOf(state: LogState): Entry {
  return { born: state.born ?? "", index: state.log.length - 1 };
}

const declaredLog: LogState = { born: null, log: [] };

/** Definitions of logs and tallies for one life. */
export function defineObjects(witness: Witness) {
  const appended = (state: LogState, entry: string): LogState => ({
    born: state.born ?? witness.newName(entry),
    log: [...state.log, entry],
  });

  const Tally = defineObject({
    type: "tally",
    state: { count: 0 },
    hibernateAfter: 1_000,
    handlers: {
      add: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
      total: read(({ state }) => reply(state.count)),
      hear: (_context, id: string, sighting: Sighting) => {
        witness.heard(id, sighting);
        return reply(true);
      },
    },
  });

  const Log = defineObject({
    type: "log",
    state: declaredLog,
    hibernateAfter: 1_000,
    shutdownAfter: 3_000,
    handlers: {
      append: ({ state, id, signal }, entry: string) => {
        witness.turnStarted({ id, signal }, state, "sync")();
        const next = appended(state, entry);
        return reply(entryOf(next), next);
      },
      appendSlowly: async ({ state, id, signal }, entry: string) => {
        const over = witness.turnStarted({ id, signal }, state, "async");
        try {
          await witness.gate();
          const next = appended(state, entry);
          await witness.gate();
          return reply(entryOf(next), next);
        } finally {
          over();
        }
      },
      /** Adds to a tally first: if that fails, so does this. */
      appendWithTally: async ({ state, id, signal, get }, entry: string) => {
        const over = witness.turnStarted({ id, signal }, state, "async");
        try {
          await witness.adding(id, get(Tally, id).add());
          const next = appended(state, entry);
          return reply(entryOf(next), next);
        } finally {
          over();
        }
      },
      /** Tells another object what it sees, without waiting for it. */
      appendAndTell: ({ state, id, signal, get }, entry: string) => {
        witness.turnStarted({ id, signal }, state, "sync")();
        get(Tally, id)
          .hear(id, sightingOf(state))
          .catch(() => undefined);
        const next = appended(state, entry);
        return reply(entryOf(next), next);
      },
      /** Changes nothing, but takes its turn. */
      size: ({ state, id, signal }) => {
        witness.turnStarted({ id, signal }, state, "sync")();
        return reply(sightingOf(state));
      },
      look: read(({ state }) => reply(sightingOf(state))),
      lookSlowly: read(async ({ state }) => {
        await witness.gate();
        return reply(sightingOf(state));
      }),
      refuse: ({ state }) => fail(sightingOf(state)),
      refuseSlowly: async ({ state, id, signal }) => {
        const over = witness.turnStarted({ id, signal }, state, "async");
        await witness.gate();
        over();
        return fail(sightingOf(state));
      },
      crash: ({ state }) => {
        throw new Error(JSON.stringify(sightingOf(state)));
      },
      /** A state that is not JSON. */
      spoil: ({ state }, entry: string) =>
        reply(null, { ...appended(state, entry), born: Number.NaN as unknown as string }),
      /** A state that is too large, which only shows when it is written. */
      bloat: ({ state }, entry: string) => reply(null, appended(appended(state, entry), "x".repeat(maxStateBytes))),
      vanish: ({ state }) => reply(sightingOf(state), state, destroy()),
    },
  });

  return { Log, Tally };
}

/** The largest state of a runtime under test. */
export const maxStateBytes = 10_000;
