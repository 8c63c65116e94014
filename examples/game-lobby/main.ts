/** Three players, one of them asleep: `npm run example -- game-lobby`. */

import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "durable-object";
import { storeFor } from "../store.ts";
import { Lobby } from "./lobby.ts";
import { Match } from "./match.ts";

await using runtime = await createRuntime({ objects: [Lobby, Match], store: storeFor("game-lobby") });
const lobby = runtime.get(Lobby, `chess ${Date.now()}`);

/** Plays until there is a winner: what each player's program does, also when it starts again in the middle. */
async function play(player: string, isAsleep: boolean): Promise<void> {
  await lobby.join(player);
  for (let before = ""; (await lobby.leaderboard()).length === 0;) {
    await sleep(20);
    const { match, place } = await lobby.find(player);
    const now = match ?? (place > 0 ? `place ${place} in the line` : "out");
    if (now !== before) console.log(`${player}: ${now}`);
    before = now;
    if (match === null || isAsleep) continue;
    const phase = await runtime.get(Match, match).safe.ready(player);
    if (phase.ok && phase.value === "playing" && player === "ann") await runtime.get(Match, match).safe.win(player);
  }
}

await Promise.all([play("bob", true), play("ann", false), play("cat", false)]);
console.log("leaderboard:", await lobby.leaderboard());
