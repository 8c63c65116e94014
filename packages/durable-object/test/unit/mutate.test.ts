/** Recipes that mutate a draft: the handler that comes out is an ordinary one, and returns an outcome. */

import { describe, expect, test } from "vitest";
import { createRuntime, defineObject, fail, noreply, reply, schedule, type Context } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { mutate } from "../../src/mutate/index.ts";

interface CartState {
  items: { sku: string; quantity: number }[];
  note: string | null;
}

const empty: CartState = { items: [], note: null };

const Cart = defineObject({
  type: "cart",
  state: empty,
  handlers: {
    add: mutate((draft, sku: string, quantity: number) => {
      const found = draft.items.find((item) => item.sku === sku);
      if (found === undefined) draft.items.push({ sku, quantity });
      else found.quantity += quantity;
      return draft.items.length;
    }),
    items: mutate((draft) => draft.items),
    wrapped: mutate((draft) => ({ first: draft.items[0] ?? null, all: [draft.items] })),
    take: mutate((draft, sku: string) => {
      const index = draft.items.findIndex((item) => item.sku === sku);
      draft.note = "taken from";
      return index === -1 ? fail({ code: "not_there", items: draft.items }) : draft.items.splice(index, 1);
    }),
    clear: mutate((draft) => {
      draft.items = [];
    }),
    crash: mutate((draft) => {
      draft.items.push({ sku: "lost", quantity: 1 });
      throw new Error("in the middle");
    }),
    slowly: mutate(async (draft, sku: string) => {
      await Promise.resolve();
      draft.items.push({ sku, quantity: 1 });
      await Promise.resolve();
      return draft.items.length;
    }),
    crashSlowly: mutate(async (draft) => {
      draft.items.push({ sku: "lost", quantity: 1 });
      await Promise.resolve();
      throw new Error("later");
    }),
    remind: mutate((draft) => {
      draft.note = "reminded";
      return reply("set", draft, schedule("reminder", "1h"));
    }),
    remindQuietly: mutate((draft) => noreply(draft, schedule("reminder", "2h"))),
    spoil: mutate((draft) => {
      draft.note = Number.NaN as unknown as string;
    }),
  },
  alarms: { reminder: ({ state }) => noreply(state) },
});

async function withCart(use: (cart: ReturnType<typeof open>["cart"]) => Promise<void>): Promise<void> {
  await using runtime = await createRuntime({ objects: [Cart], store: memory() });
  await use(open(runtime).cart);
}

function open(runtime: Awaited<ReturnType<typeof createRuntime>>) {
  return { cart: runtime.get(Cart, "a") };
}

describe("a recipe", () => {
  test("changes the state, and its result is the caller's", () =>
    withCart(async (cart) => {
      expect(await cart.add("tea", 2)).toBe(1);
      expect(await cart.add("tea", 3)).toBe(1);
      expect(await cart.add("cup", 1)).toBe(2);
      expect(await cart.items()).toEqual([
        { sku: "tea", quantity: 5 },
        { sku: "cup", quantity: 1 },
      ]);
    }));

  test("may return drafts, on their own or inside of something", () =>
    withCart(async (cart) => {
      await cart.add("tea", 1);
      expect(await cart.items()).toEqual([{ sku: "tea", quantity: 1 }]);
      expect(await cart.wrapped()).toEqual({
        first: { sku: "tea", quantity: 1 },
        all: [[{ sku: "tea", quantity: 1 }]],
      });
    }));

  test("that fails leaves nothing behind, and its reason may hold drafts", () =>
    withCart(async (cart) => {
      await cart.add("tea", 1);
      const refused = await cart.safe.take("cup");
      expect(refused.ok).toBe(false);
      if (!refused.ok) {
        expect(refused.error.reason).toEqual({ code: "not_there", items: [{ sku: "tea", quantity: 1 }] });
      }
      expect(await cart.take("tea")).toEqual([{ sku: "tea", quantity: 1 }]);
      expect(await cart.items()).toEqual([]);
    }));

  test("that throws leaves nothing behind", () =>
    withCart(async (cart) => {
      await expect(cart.crash()).rejects.toMatchObject({ code: "HANDLER_CRASHED" });
      await expect(cart.crashSlowly()).rejects.toMatchObject({ code: "HANDLER_CRASHED" });
      await expect(cart.spoil()).rejects.toMatchObject({ code: "INVALID_STATE" });
      expect(await cart.items()).toEqual([]);
    }));

  test("that returns nothing gives undefined", () =>
    withCart(async (cart) => {
      await cart.add("tea", 1);
      await expect(cart.clear()).resolves.toBeUndefined();
      expect(await cart.items()).toEqual([]);
    }));

  test("may be asynchronous", () =>
    withCart(async (cart) => {
      expect(await Promise.all([cart.slowly("a"), cart.slowly("b"), cart.slowly("c")])).toEqual([1, 2, 3]);
      expect((await cart.items()).map(({ sku }) => sku)).toEqual(["a", "b", "c"]);
    }));

  test("adds effects by returning an outcome", () =>
    withCart(async (cart) => {
      expect(await cart.remind()).toBe("set");
      expect(await cart.alarms.list()).toMatchObject([{ name: "reminder" }]);
      const [before] = await cart.alarms.list();
      await expect(cart.remindQuietly()).resolves.toBeUndefined();
      const [after] = await cart.alarms.list();
      expect(after?.at.getTime()).toBeGreaterThan(before?.at.getTime() ?? Infinity);
    }));
});

test("a recipe that changes nothing writes nothing", async () => {
  await using runtime = await createRuntime({ objects: [Cart], store: memory() });
  const cart = runtime.get(Cart, "a");
  await cart.items();
  expect((await runtime.list(Cart)).objects).toEqual([]);
  await cart.add("tea", 1);
  await cart.items();
  await cart.add("tea", 0);
  expect((await runtime.list(Cart)).objects).toMatchObject([{ id: "a", revision: 1 }]);
});

test("what a caller was given does not change with the state", async () => {
  await using runtime = await createRuntime({ objects: [Cart], store: memory(), freezeState: false });
  const cart = runtime.get(Cart, "a");
  await cart.add("tea", 1);
  const items = await cart.items();
  await cart.add("tea", 1);
  expect(items).toEqual([{ sku: "tea", quantity: 1 }]);
});

test("a recipe that returns another state than its draft is refused", () => {
  const recipe = mutate((draft: { count: number }) => reply(1, { ...draft, count: 5 }));
  const context = { state: { count: 0 } } as unknown as Context<{ count: number }>;
  expect(() => recipe(context)).toThrow("pass the draft");
});
