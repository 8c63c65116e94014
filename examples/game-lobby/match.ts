/** A match: everybody says in time that they are ready, or nobody plays. Then one wins, and the lobby hears of it. */

import { cancel, defineObject, destroy, fail, noreply, read, reply, schedule } from "durable-object";
import { Lobby } from "./lobby.ts";

export const readyMs = 2_000;

interface MatchState {
  readonly lobby: string;
  readonly phase: "none" | "ready check" | "playing" | "over";
  readonly players: readonly string[];
  readonly ready: readonly string[];
  readonly winner: string | null;
}
const none: MatchState = { lobby: "", phase: "none", players: [], ready: [], winner: null };

export const Match = defineObject({
  type: "match",
  state: none,
  handlers: {
    open: ({ state }, lobby: string, players: readonly string[]) =>
      state.phase === "none"
        ? noreply({ ...state, lobby, players, phase: "ready check" }, schedule("deadline", readyMs))
        : noreply(),
    ready: ({ state }, player: string) => {
      if (!state.players.includes(player)) return fail({ code: "not_invited" });
      if (state.phase !== "ready check" || state.ready.includes(player)) return reply(state.phase);
      const ready = [...state.ready, player];
      if (ready.length < state.players.length) return reply(state.phase, { ...state, ready });
      return reply("playing" as const, { ...state, ready, phase: "playing" }, cancel("deadline"));
    },
    win: ({ state }, player: string) => {
      if (state.phase !== "playing" || !state.players.includes(player)) return fail({ code: "not_playing" });
      return noreply({ ...state, phase: "over", winner: player }, schedule("report", 0));
    },
    look: read(({ state }) => reply(state)),
  },
  alarms: {
    deadline: ({ state }) => noreply({ ...state, phase: "over" }, schedule("report", 0)),
    report: async ({ state, id, get }) => {
      await get(Lobby, state.lobby).over(id, state.winner, state.winner === null ? state.ready : []);
      return noreply(state, destroy());
    },
  },
});
