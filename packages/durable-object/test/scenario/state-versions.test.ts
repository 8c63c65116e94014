/** Versions of a state: migrated step by step on load, never overwritten by code that does not know them. */

import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, noreply, reply } from "../../src/index.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

const V1 = defineObject({
  type: "profile",
  state: { name: "" },
  handlers: { rename: (_context, name: string) => noreply({ name }), get: ({ state }) => reply(state) },
});
const V2 = defineObject({
  type: "profile",
  state: { first: "", last: "" },
  version: 2,
  migrate: { 1: (old: { name: string }) => ({ first: old.name.split(" ")[0], last: old.name.split(" ")[1] ?? "" }) },
  handlers: { touch: ({ state }) => noreply({ ...state }), get: ({ state }) => reply(state) },
});
const V3 = defineObject({
  type: "profile",
  state: z.object({ names: z.array(z.string()).default([]), since: z.coerce.date().default(new Date(0)) }),
  version: 3,
  migrate: {
    1: (old: { name: string }) => ({ first: old.name.split(" ")[0], last: old.name.split(" ")[1] ?? "" }),
    2: (old: { first: string; last: string }) => ({ names: [old.first, old.last] }),
  },
  handlers: {
    add: ({ state }, name: string) => noreply({ ...state, names: [...state.names, name] }),
    remind: ({ state }) => noreply(state),
    get: ({ state }) => reply({ names: state.names, since: state.since.getTime() }),
  },
  alarms: { later: () => noreply() },
});

onEveryStore("versions of a state", (stores) => {
  test("a stored state goes through every step, from the version it was stored under", async () => {
    const disk = await stores.create();
    const first = await start({ objects: [V1], store: disk.open() });
    await first.get(V1, "a").rename("Ada Lovelace");
    await first.get(V1, "b").rename("Alan Turing");
    await first.stop();

    const store2 = new FaultyStore(disk.open());
    const second = await start({ objects: [V2], store: store2 });
    expect(await second.get(V2, "a").get()).toEqual({ first: "Ada", last: "Lovelace" });
    expect(await second.peek(V2, "b")).toEqual({ first: "Alan", last: "Turing" });
    // Looking at it, or leaving it as it is, does not write it.
    await second.get(V2, "a").touch();
    expect(store2.sent).toEqual([]);
    await second.stop();

    const store3 = new FaultyStore(disk.open());
    const third = await start({ objects: [V3], store: store3 });
    expect(await third.get(V3, "a").get()).toEqual({ names: ["Ada", "Lovelace"], since: 0 });
    await third.get(V3, "a").add("King");
    expect(store3.applied[0]?.writes[0]).toMatchObject({ stateVersion: 3 });
    await third.stop();

    const again = await start({ objects: [V3], store: disk.open() });
    expect(await again.get(V3, "a").get()).toEqual({ names: ["Ada", "Lovelace", "King"], since: 0 });
    expect(await again.get(V3, "b").get()).toEqual({ names: ["Alan", "Turing"], since: 0 });
  });

  test("an alarm that is set on an old state keeps its version, and the state can still be migrated", async () => {
    const disk = await stores.create();
    const first = await start({ objects: [V1], store: disk.open() });
    await first.get(V1, "a").rename("Ada Lovelace");
    await first.stop();
    const third = await start({ objects: [V3], store: disk.open() });
    await third.get(V3, "a").alarms.schedule("later", "1h");
    await third.stop();
    const again = await start({ objects: [V3], store: disk.open() });
    expect(await again.get(V3, "a").get()).toEqual({ names: ["Ada", "Lovelace"], since: 0 });
  });

  test("a version newer than the code is STATE_TOO_NEW, and is never overwritten", async () => {
    const disk = await stores.create();
    const second = await start({ objects: [V2], store: disk.open() });
    await second.call("profile", "a", "touch", []);
    await second.get(V2, "a").alarms.list();
    await second.stop();
    const third = await start({ objects: [V3], store: disk.open() });
    await third.get(V3, "a").add("Ada");
    await third.stop();

    const store = new FaultyStore(disk.open());
    const old = await start({ objects: [V1], store });
    const error = await errorOf(old.get(V1, "a").rename("gone"));
    expect(error).toMatchObject({ code: "STATE_TOO_NEW", outcome: "not-applied", retryable: false });
    expect(error.message).toContain("version 3");
    expect(await codeOf(old.peek(V1, "a"))).toBe("STATE_TOO_NEW");
    expect((await old.list(V1)).objects.map(({ id }) => id)).toEqual(["a"]);
    expect(store.sent).toEqual([]);
    await old.stop();
    const again = await start({ objects: [V3], store: disk.open() });
    expect(await again.get(V3, "a").get()).toEqual({ names: ["Ada"], since: 0 });
  });

  test("a step that throws, or makes what does not fit, is STATE_UNREADABLE; the row is left as it is", async () => {
    const disk = await stores.create();
    const first = await start({ objects: [V1], store: disk.open() });
    await first.get(V1, "a").rename("Ada Lovelace");
    await first.stop();
    const define = (step: (old: unknown) => unknown) =>
      defineObject({
        type: "profile",
        state: { first: "" },
        version: 2,
        migrate: { 1: step },
        handlers: { get: ({ state }) => reply(state) },
      });
    const steps: ((old: unknown) => unknown)[] = [
      () => {
        throw new Error("no such profile");
      },
      () => null,
      () => [1],
      () => "text",
      () => ({ first: Number.NaN }),
    ];
    for (const step of steps) {
      const Broken = define(step);
      const runtime = await start({ objects: [Broken], store: disk.open() });
      expect(await codeOf(runtime.get(Broken, "a").get())).toBe("STATE_UNREADABLE");
      expect(await codeOf(runtime.get(Broken, "b").get())).toBe("ok");
      await runtime.stop();
    }
    const again = await start({ objects: [V2], store: disk.open() });
    expect(await again.get(V2, "a").get()).toEqual({ first: "Ada", last: "Lovelace" });
  });

  test("steps that are missing, too many or no functions are found when the object is defined", async () => {
    const define = (version: unknown, migrate: unknown) => () =>
      defineObject({
        type: "x",
        state: {},
        version: version as number,
        migrate: migrate as Record<number, (old: unknown) => unknown>,
        handlers: {},
      });
    const same = (old: unknown): unknown => old;
    expect(await codeOf(define(3, { 1: same, 2: same }))).toBe("ok");
    expect(await codeOf(define(3, { 1: same }))).toBe("INVALID_DEFINITION");
    expect(await codeOf(define(2, { 1: same, 2: same }))).toBe("INVALID_DEFINITION");
    expect(await codeOf(define(2, { 1: 5 }))).toBe("INVALID_DEFINITION");
    expect(await codeOf(define(2, { 0: same, 1: same }))).toBe("INVALID_DEFINITION");
    for (const version of [0, -1, 1.5, Number.NaN, "2"]) {
      expect(await codeOf(define(version, {}))).toBe("INVALID_DEFINITION");
    }
  });
});
