/** An alarm starts when everything before it is on the disk, or known not to be. */

import { expect, test } from "vitest";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore } from "../support/stores.ts";

onEveryStore("an alarm that is due while a commit is under way", (stores) => {
  test.each(["before", "after"] as const)("waits for it, held up %s the disk has it", async (where) => {
    const world = await AlarmWorld.create(stores);
    await world.start({ callTimeout: "never" });
    const diary = world.runtime.get(world.script.Diary, "a");
    await diary.plan("ring", 0);
    await world.clock.advance(1);
    // Its handler is known not to wait, which is what may run on a state that is not durable yet.
    expect(world.script.starts).toHaveLength(1);
    await diary.plan("ring", "1s");
    const held = world.store.holdNextCommit(where);
    const touching = diary.touch();
    await world.clock.advance("5s");
    expect(world.script.starts).toHaveLength(1);
    held.release();
    await touching;
    await world.clock.advance(1);
    expect(world.script.starts).toHaveLength(2);
    expect(await diary.entries()).toHaveLength(2);
  });

  test("starts on the state before it, if nothing of it was kept", async () => {
    const world = await AlarmWorld.create(stores);
    await world.start({ callTimeout: "never" });
    const diary = world.runtime.get(world.script.Diary, "a");
    await diary.plan("ring", 0);
    await world.clock.advance(1);
    await diary.plan("ring", "1s");
    const held = world.store.holdNextCommit("before", "full");
    const calledOff = codeOf(diary.callOff("ring"));
    await world.clock.advance("5s");
    expect(world.script.starts).toHaveLength(1);
    held.release();
    expect(await calledOff).toBe("STORE_FULL");
    await world.clock.advance(1);
    expect(world.script.starts).toHaveLength(2);
  });
});
