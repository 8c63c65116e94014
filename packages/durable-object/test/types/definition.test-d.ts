/** What a definition infers, and what it refuses. */

import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  cancel,
  defineObject,
  destroy,
  fail,
  handler,
  noreply,
  read,
  reply,
  schedule,
  sql,
  type DefinedState,
  type SqlEffect,
} from "../../src/index.ts";
import { mutate } from "../../src/mutate/index.ts";

const nothing: Record<string, number> = {};

test("the state is inferred from defaults, and handlers see it", () => {
  const Cart = defineObject({
    type: "cart",
    state: { items: nothing, note: null as string | null, open: true },
    handlers: {
      look: ({ state, id, tenant, type, now, signal }) => {
        expectTypeOf(state).toEqualTypeOf<
          Readonly<{ items: Record<string, number>; note: string | null; open: boolean }>
        >();
        expectTypeOf({ id, tenant, type }).toEqualTypeOf<{ id: string; tenant: string; type: string }>();
        expectTypeOf(now).toEqualTypeOf<number>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        return reply(state.open);
      },
    },
  });
  expectTypeOf(Cart.type).toEqualTypeOf<"cart">();
  expectTypeOf<DefinedState<typeof Cart>>().toEqualTypeOf<{
    items: Record<string, number>;
    note: string | null;
    open: boolean;
  }>();
});

test("the state is the output of a schema", () => {
  const Session = defineObject({
    type: "session",
    state: z.object({ visits: z.number().default(0), lastAt: z.coerce.date().nullable().default(null) }),
    handlers: {
      visit: ({ state }, at: string) => {
        expectTypeOf(state.lastAt).toEqualTypeOf<Date | null>();
        return noreply({ visits: state.visits + 1, lastAt: new Date(at) });
      },
    },
  });
  expectTypeOf<DefinedState<typeof Session>>().toEqualTypeOf<{ visits: number; lastAt: Date | null }>();
});

test("what is no outcome, or not of this state, does not compile", () => {
  defineObject({
    type: "wrong",
    state: { count: 0 },
    handlers: {
      // @ts-expect-error a bare value is no outcome
      bare: ({ state }) => state.count,
      // @ts-expect-error nor is nothing
      nothing: () => {},
      // @ts-expect-error the count is a number
      wrongState: ({ state }) => reply(1, { ...state, count: "1" }),
      // @ts-expect-error the count is missing
      incomplete: () => noreply({}),
      // @ts-expect-error a promise of a wrong one is wrong too
      later: async ({ state }) => reply(1, { ...state, count: "1" }),
      // @ts-expect-error a read does not write
      reads: read(({ state }) => reply(1, { ...state })),
    },
  });
});

test("an alarm scheduled by a literal name must exist", () => {
  defineObject({
    type: "alarmed",
    state: { count: 0 },
    handlers: {
      right: ({ state }, name: string) => reply(1, state, schedule("tick", "1h"), cancel("tick"), schedule(name, 5)),
      ends: ({ state }) => noreply(state, destroy()),
      // @ts-expect-error there is no alarm "tock"
      wrong: ({ state }) => reply(1, state, schedule("tock", "1h")),
      // @ts-expect-error nor one to call off
      off: ({ state }) => noreply(state, cancel("tock")),
    },
    alarms: {
      tick: ({ state, attempt, payload }) => {
        expectTypeOf(attempt).toEqualTypeOf<number>();
        expectTypeOf(payload).toEqualTypeOf<unknown>();
        return noreply({ count: state.count + 1 }, schedule("tick", "1h"));
      },
    },
    afterLoad: ({ state }) => noreply(state, schedule("tick", "1h")),
  });
  // @ts-expect-error an alarm replies to nobody
  defineObject({ type: "x", state: { n: 0 }, handlers: {}, alarms: { a: ({ state }) => reply(1, state) } });
});

test("SQL of the application is an effect beside the others, with plain values", () => {
  defineObject({
    type: "sql",
    state: { count: 0 },
    handlers: {
      order: ({ state }, id: string) =>
        reply(id, state, sql("INSERT INTO orders VALUES ($1, $2, $3)", [id, 1n, new Uint8Array(1)]), destroy()),
      empty: ({ state }) => noreply(state, sql("DELETE FROM orders")),
      alarmed: ({ state }) => noreply(state, sql("DELETE FROM orders", [null, true, 1.5]), schedule("tick", 5)),
      // @ts-expect-error there is no alarm "tock"
      wrong: ({ state }) => reply(1, state, sql("DELETE FROM orders"), schedule("tock", "1h")),
      // @ts-expect-error a read does not write
      reads: read(({ state }) => reply(1, state, sql("DELETE FROM orders"))),
    },
    alarms: { tick: ({ state }) => noreply(state, sql("DELETE FROM orders")) },
    afterLoad: ({ state }) => noreply(state, sql("DELETE FROM orders")),
  });
  expectTypeOf(sql("SELECT 1")).toEqualTypeOf<SqlEffect>();
  // @ts-expect-error a date has no one form in every database
  sql("SELECT $1", [new Date(0)]);
  // @ts-expect-error null stands for what is missing
  sql("SELECT $1", [undefined]);
  // @ts-expect-error objects are given as JSON text
  sql("SELECT $1", [{ a: 1 }]);
});

test("arguments come from their schema: its output in the handler", () => {
  defineObject({
    type: "checked",
    state: { at: 0 },
    handlers: {
      put: handler({ args: z.tuple([z.coerce.date(), z.string().optional()]) }, ({ state }, at, note) => {
        expectTypeOf(state).toEqualTypeOf<Readonly<{ at: number }>>();
        expectTypeOf(at).toEqualTypeOf<Date>();
        expectTypeOf(note).toEqualTypeOf<string | undefined>();
        return reply(note ?? "", { at: at.getTime() });
      }),
      isAfter: read({ args: z.tuple([z.number()]) }, ({ state }, at) => reply(state.at > at)),
      // @ts-expect-error the schema is of the list of arguments
      notAList: handler({ args: z.number() }, ({ state }) => reply(state.at)),
    },
  });
});

test("a recipe mutates a draft of the state", () => {
  defineObject({
    type: "drafted",
    state: { items: [] as { sku: string; quantity: number }[] },
    handlers: {
      add: mutate((draft, sku: string) => {
        expectTypeOf(draft).toEqualTypeOf<{ items: { sku: string; quantity: number }[] }>();
        return draft.items.push({ sku, quantity: 1 });
      }),
      take: mutate((draft) => (draft.items.length === 0 ? fail("empty") : draft.items.pop())),
    },
  });
});

test("options are checked", () => {
  const handlers = {};
  // @ts-expect-error a month has no fixed length
  defineObject({ type: "x", state: { n: 0 }, handlers, hibernateAfter: "1month" });
  // @ts-expect-error there is no such option
  defineObject({ type: "x", state: { n: 0 }, handlers, hibernateafter: "5m" });
  defineObject({ type: "x", state: { n: 0 }, handlers, hibernateAfter: "1.5h", shutdownAfter: "never" });
});
