/** The lobby in virtual time: matches, the ready check and its end, crashes between two objects; and the story. */

import { createTestRuntime, type TestRuntime } from "durable-object/testing";
import { expect, expectTypeOf, test } from "vitest";
import { Lobby } from "../game-lobby/lobby.ts";
import { Match, readyMs } from "../game-lobby/match.ts";
import { ExampleProcess } from "./example-process.ts";

const open = (): Promise<TestRuntime> => createTestRuntime({ objects: [Lobby, Match] });
const first = "chess, match 1";

async function join(t: TestRuntime, ...players: string[]): Promise<void> {
  for (const player of players) await t.get(Lobby, "chess").join(player);
  await t.settle();
}

test("players get a match in the order in which they came, each one match", async () => {
  await using t = await open();
  await join(t, "ann", "ann", "bob", "cat", "ann");
  const lobby = t.get(Lobby, "chess");
  expect(await lobby.find("ann")).toEqual({ match: first, place: 0 });
  expect(await lobby.find("bob")).toEqual({ match: first, place: 0 });
  expect(await lobby.find("cat")).toEqual({ match: null, place: 1 });
  expect(await lobby.find("eve")).toEqual({ match: null, place: 0 });
  expect(await t.get(Match, first).look()).toMatchObject({ phase: "ready check", players: ["ann", "bob"] });
  await lobby.leave("cat");
  await join(t, "dan");
  expect(await lobby.find("dan")).toEqual({ match: null, place: 1 });
});

test("all are ready in time, one wins, and the leaderboard knows", async () => {
  await using t = await open();
  const lobby = t.get(Lobby, "chess");
  for (let round = 1; round <= 3; round++) {
    await join(t, "ann", "bob");
    const match = t.get(Match, `chess, match ${round}`);
    expect(await match.ready("ann")).toBe("ready check");
    expect(await match.ready("bob")).toBe("playing");
    await t.advance(2 * readyMs);
    expect((await match.look()).phase).toBe("playing");
    await match.win(round === 2 ? "bob" : "ann");
    await t.settle();
    expect(await t.object(Match, `chess, match ${round}`).persisted()).toBeNull();
  }
  expect(await lobby.leaderboard()).toEqual([
    ["ann", 2],
    ["bob", 1],
  ]);
  expect(await lobby.find("ann")).toEqual({ match: null, place: 0 });
});

test("who is not ready in time is out, and the others are first in the line", async () => {
  await using t = await open();
  await join(t, "ann", "bob", "cat");
  await t.get(Match, first).ready("bob");
  await t.advance(readyMs - 1);
  expect(await t.get(Lobby, "chess").find("bob")).toMatchObject({ match: first });
  await t.advance(1);
  const lobby = t.get(Lobby, "chess");
  expect(await lobby.find("ann")).toEqual({ match: null, place: 0 });
  expect(await t.get(Match, "chess, match 2").look()).toMatchObject({ players: ["bob", "cat"] });
  const late = await t.get(Match, first).safe.ready("ann");
  expect(late.ok || late.error.reason).toEqual({ code: "not_invited" });
});

test("only who plays can win", async () => {
  await using t = await open();
  await join(t, "ann", "bob");
  const match = t.get(Match, first);
  const early = await match.safe.win("ann");
  expect(early.ok || early.error.reason).toEqual({ code: "not_playing" });
  await match.ready("ann");
  await match.ready("bob");
  const stranger = await match.safe.win("eve");
  expect(stranger.ok || stranger.error.reason).toEqual({ code: "not_playing" });
});

// Three commits bring a victory home: that of the match, that of the lobby, and the end of the match.
test.each([1, 2, 3])("a victory is counted once, though the process dies after commit %d", async (deadly) => {
  await using t = await open();
  await join(t, "ann", "bob");
  const match = t.get(Match, first);
  await match.ready("ann");
  await match.ready("bob");
  if (deadly === 1) t.faults.crashAfter("commit");
  const won = match.win("ann").catch((error: unknown) => error);
  if (deadly > 1) {
    await won;
    t.faults.crashAfter("commit");
    if (deadly === 3) t.faults.crashAfter("commit");
  }
  await t.settle();
  await t.restart();
  await t.settle();
  if (deadly === 3) {
    await t.restart();
    await t.settle();
  }
  expect(t.faults.pending).toEqual([]);
  expect(await t.get(Lobby, "chess").leaderboard()).toEqual([["ann", 1]]);
  expect(await t.object(Match, first).persisted()).toBeNull();
});

test("definitions that name each other stay typed", async () => {
  await using t = await open();
  const [lobby, match] = [t.get(Lobby, "chess"), t.get(Match, first)];
  expectTypeOf(lobby.find).toEqualTypeOf<(player: string) => Promise<{ match: string | null; place: number }>>();
  expectTypeOf(match.win).toEqualTypeOf<(player: string) => Promise<undefined>>();
});

test("the story ends with a winner", async () => {
  const story = new ExampleProcess("game-lobby");
  expect(await story.ended()).toBe(0);
  expect(story.printed).toContain("bob: out");
  expect(story.printed.at(-1)).toBe("leaderboard: [ [ 'ann', 1 ] ]");
});
