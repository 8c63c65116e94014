/** Deleting needs no healthy object: what cannot be read, or fails to come to life, can still be deleted. */

import { expect, test } from "vitest";
import { createRuntime, defineObject, noreply, reply } from "../../src/index.ts";
import { onEveryStore } from "../support/stores.ts";

const handlers = {
  get: ({ state }: { state: { count: number } }) => reply(state.count),
  set: (_: unknown, count: number) => noreply({ count }),
};
const Old = defineObject({
  type: "thing",
  state: { count: 0 },
  handlers,
  version: 2,
  migrate: { 1: (old: unknown) => old },
});
const New = defineObject({ type: "thing", state: { count: 0 }, handlers });
const Broken = defineObject({
  type: "thing",
  state: { count: 0 },
  handlers,
  afterLoad: ({ state }) => {
    if (state.count === 7) throw new Error("not today");
    return noreply();
  },
});

onEveryStore("deleting what does not come to life", (stores) => {
  test("a state that is too new for this code, and an object whose afterLoad throws", async () => {
    const disk = await stores.create();
    const old = await createRuntime({ objects: [Old], store: disk.open() });
    await old.get(Old, "a").set(1);
    await old.get(Old, "b").set(7);
    await old.stop();

    const runtime = await createRuntime({ objects: [New], store: disk.open() });
    await expect(runtime.get(New, "a").get()).rejects.toMatchObject({ code: "STATE_TOO_NEW" });
    const [, after] = await Promise.all([runtime.delete(New, "a"), runtime.get(New, "a").get()]);
    expect(after).toBe(0);
    await runtime.delete(New, "b");
    await runtime.get(New, "b").set(7);
    await runtime.stop();

    const broken = await createRuntime({ objects: [Broken], store: disk.open() });
    await expect(broken.get(Broken, "b").get()).rejects.toMatchObject({ code: "ACTIVATION_FAILED" });
    await broken.delete(Broken, "b");
    expect(await broken.peek(Broken, "b")).toBeNull();
    expect(await broken.get(Broken, "b").get()).toBe(0);
    // Deleting what does not exist writes nothing and wakes nobody.
    await broken.delete(Broken, "never");
    expect((await broken.list(Broken)).objects).toEqual([]);
    await broken.stop();
  });
});
