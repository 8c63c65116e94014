/**
 * A lobby, one for each game: players wait in a line, and as soon as there are enough of them they get a match. Who lost
 * the connection asks `find`.
 */

import { defineObject, noreply, read, reply, schedule, type NoReply } from "durable-object";
import { Match } from "./match.ts";

const matchSize = 2;

interface LobbyState {
  /** Who waits, the first one first. */
  readonly line: readonly string[];
  /** The players of each match that is not over. */
  readonly matches: Readonly<Record<string, readonly string[]>>;
  /** Matches that are to be opened. */
  readonly opening: readonly string[];
  readonly matched: number;
  readonly wins: Readonly<Record<string, number>>;
}
const empty: LobbyState = { line: [], matches: {}, opening: [], matched: 0, wins: {} };

const matchOf = ({ matches }: LobbyState, player: string): string | null =>
  Object.keys(matches).find((match) => matches[match]?.includes(player)) ?? null;

/** The next state with this line. The first who are enough leave it for a match, which an alarm opens. */
function lineUp(state: LobbyState, id: string, line: readonly string[]): NoReply<LobbyState, "open"> {
  if (line.length < matchSize) return noreply({ ...state, line }, schedule("open", 0));
  const match = `${id}, match ${state.matched + 1}`;
  const matches = { ...state.matches, [match]: line.slice(0, matchSize) };
  const next = { ...state, matches, matched: state.matched + 1, opening: [...state.opening, match] };
  return lineUp(next, id, line.slice(matchSize));
}

export const Lobby = defineObject({
  type: "lobby",
  state: empty,
  handlers: {
    join: ({ state, id }, player: string) =>
      state.line.includes(player) || matchOf(state, player) !== null
        ? noreply()
        : lineUp(state, id, [...state.line, player]),
    leave: ({ state }, player: string) => noreply({ ...state, line: state.line.filter((other) => other !== player) }),
    // Lobby names Match and Match names Lobby, so one of them says what it returns.
    over: (
      { state, id },
      match: string,
      winner: string | null,
      back: readonly string[],
    ): NoReply<LobbyState, string> => {
      const { [match]: players, ...matches } = state.matches;
      if (players === undefined) return noreply(); // it has been told already
      const wins = winner === null ? state.wins : { ...state.wins, [winner]: (state.wins[winner] ?? 0) + 1 };
      return lineUp({ ...state, matches, wins }, id, [...back, ...state.line]);
    },
    find: read(({ state }, player: string) =>
      reply({ match: matchOf(state, player), place: state.line.indexOf(player) + 1 }),
    ),
    leaderboard: read(({ state }) => reply(Object.entries(state.wins).toSorted((one, other) => other[1] - one[1]))),
  },
  alarms: {
    open: async ({ state, id, get }) => {
      for (const match of state.opening) {
        const players = state.matches[match];
        if (players !== undefined) await get(Match, match).open(id, players);
      }
      return noreply({ ...state, opening: [] });
    },
  },
});
