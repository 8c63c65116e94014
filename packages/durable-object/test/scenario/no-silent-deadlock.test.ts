/** Promise 11: a call that could never be answered is refused at once, with the chain in its message. */

import { expect, test } from "vitest";
import {
  defineObject,
  noreply,
  read,
  reply,
  type AnyDefinition,
  type Context,
  type Runtime,
  type Stub,
} from "../../src/index.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

/** What handlers of a node call on other nodes, and on their own one. */
interface NodeStub {
  follow(path: readonly string[]): Promise<number>;
  lookAlong(path: readonly string[]): Promise<number>;
  visit(): Promise<number>;
}

/** What a handler reaches without its context. */
const outside: { runtime: Runtime | null; definition: AnyDefinition | null; later: Promise<unknown> } = {
  runtime: null,
  definition: null,
  later: Promise.resolve(),
};

function node(get: Context<unknown>["get"], id: string): NodeStub {
  return get(outside.definition!, id) as unknown as NodeStub;
}

const Node = defineObject({
  type: "node",
  state: { visits: 0 },
  handlers: {
    /** A path of ids: each object calls the next one, and the last one answers. */
    follow: async ({ state, get }, path: readonly string[]) => {
      const [next, ...rest] = path;
      const depth = next === undefined ? 0 : await node(get, next).follow(rest);
      return reply(depth + 1, { visits: state.visits + 1 });
    },
    /** Ends in a read of the last object of the path. */
    followAndLook: async ({ state, get }, path: readonly string[]) => {
      const [next = "", ...rest] = path;
      const depth = rest.length === 0 ? await node(get, next).lookAlong([]) : await node(get, next).follow(rest);
      return reply(depth, { visits: state.visits + 1 });
    },
    lookAlong: read(async ({ state, get }, path: readonly string[]) => {
      const [next, ...rest] = path;
      return reply(next === undefined ? state.visits : await node(get, next).lookAlong(rest));
    }),
    lookThenFollow: read(async ({ get }, path: readonly string[]) => {
      const [next = "", ...rest] = path;
      return reply(await node(get, next).follow(rest));
    }),
    /** By a stub that was not made by the context. */
    followOutside: async ({ state }, id: string) => {
      await settled();
      const { runtime } = outside;
      const get = ((definition, to) => runtime!.get(definition, to)) as Context<unknown>["get"];
      return reply(await node(get, id).follow([]), { visits: state.visits + 1 });
    },
    /** Starts a call to itself and does not wait for it. */
    later: async ({ state, get, id }) => {
      outside.later = codeOf(node(get, id).visit());
      return reply(state.visits, { visits: state.visits + 1 });
    },
    /** Calls itself when its turn is over. */
    afterwards: async ({ state, get, id }) => {
      const self = node(get, id);
      setImmediate(() => {
        outside.later = self.visit();
      });
      return reply(state.visits, { visits: state.visits + 1 });
    },
    visit: ({ state }) => reply(state.visits + 1, { visits: state.visits + 1 }),
  },
});
outside.definition = Node;

async function startNodes(stores: TestStores) {
  const runtime = await start({ objects: [Node], store: (await stores.create()).open() });
  outside.runtime = runtime;
  return runtime;
}

onEveryStore("no silent deadlock", (stores) => {
  test("A → B → A is CALL_CYCLE, with the chain in the message", async () => {
    const runtime = await startNodes(stores);
    const error = await errorOf(runtime.get(Node, "A").follow(["B", "A"]));
    // B's call is refused, so B's handler crashes, and then A's.
    expect(error).toMatchObject({ code: "HANDLER_CRASHED" });
    const atB = error.cause as { code: string; cause: { code: string; message: string; address: object } };
    expect(atB.code).toBe("HANDLER_CRASHED");
    expect(atB.cause.code).toBe("CALL_CYCLE");
    expect(atB.cause.message).toContain("node/A.follow → node/B.follow → node/A.follow");
    expect(await runtime.peek(Node, "A")).toBeNull();
    expect(await runtime.get(Node, "A").visit()).toBe(1);
  });

  test("an object that calls itself is CALL_CYCLE", async () => {
    const runtime = await startNodes(stores);
    const error = await errorOf(runtime.get(Node, "A").follow(["A"]));
    expect(error.cause).toMatchObject({ code: "CALL_CYCLE", outcome: "not-applied" });
  });

  test("a stub that was not made by the context carries the chain as well", async () => {
    const runtime = await startNodes(stores);
    const error = await errorOf(runtime.get(Node, "A").followOutside("A"));
    expect(error.cause).toMatchObject({ code: "CALL_CYCLE" });
    expect(await runtime.get(Node, "A").followOutside("B")).toBe(1);
  });

  test("long cycles are found; long paths are none, up to 32 calls", async () => {
    const runtime = await startNodes(stores);
    const path = Array.from({ length: 31 }, (_, index) => `n${index + 1}`);
    expect(await runtime.get(Node, "n0").follow(path)).toBe(32);
    const causeOf = (error: unknown): { code?: string; message: string } => {
      let innermost = error as { code?: string; message: string; cause?: unknown };
      while (innermost.cause !== undefined) innermost = innermost.cause as typeof innermost;
      return innermost;
    };
    const cycle = causeOf(await errorOf(runtime.get(Node, "n0").follow([...path.slice(0, 20), "n0"])));
    expect(cycle.code).toBe("CALL_CYCLE");
    const tooLong = causeOf(await errorOf(runtime.get(Node, "n0").follow([...path, "n32"])));
    expect(tooLong.code).toBe("CALL_CYCLE");
    expect(tooLong.message).toContain("longer than 32");
  });

  test("a diamond is no cycle, nor is the same id under another tenant or type", async () => {
    const runtime = await startNodes(stores);
    const both = await Promise.all([
      runtime.get(Node, "A").follow(["B", "D"]),
      runtime.get(Node, "C").follow(["D"]),
      runtime.get(Node, "A", { tenant: "t" }).follow(["B", "D"]),
    ]);
    expect(both).toEqual([3, 2, 3]);
    expect(await runtime.get(Node, "D").visit()).toBe(3);
  });

  test("a read of an object that waits is no cycle: it runs beside the turn", async () => {
    const runtime = await startNodes(stores);
    await runtime.get(Node, "A").visit();
    expect(await runtime.get(Node, "A").followAndLook(["A"])).toBe(1);
    expect(await runtime.get(Node, "A").lookAlong(["B", "A", "B", "A"])).toBe(2);
    expect(await runtime.get(Node, "A").lookThenFollow(["A"])).toBe(1);
  });

  test("a call to itself that the handler does not wait for is refused too, for nobody can know that", async () => {
    const runtime = await startNodes(stores);
    await runtime.get(Node, "A").later();
    expect(await outside.later).toBe("CALL_CYCLE");
  });

  test("a turn that is over waits for nothing: what it started may call its object", async () => {
    const runtime = await startNodes(stores);
    await runtime.get(Node, "A").afterwards();
    await settled();
    expect(await outside.later).toBe(2);
  });

  test("afterLoad that calls its own object, also by a read, is CALL_CYCLE; calling another one is not", async () => {
    const self: { definition: AnyDefinition | null } = { definition: null };
    const Loading = defineObject({
      type: "loading",
      state: { visits: 0 },
      handlers: { visit: () => reply(1), look: read(() => reply(1)) },
      afterLoad: async ({ get, id }) => {
        const me = get(self.definition!, id) as unknown as Stub<typeof Loading>;
        if (id === "call") await me.visit();
        if (id === "read") await me.look();
        if (id === "other") await get(Node, "n").visit();
        return noreply();
      },
    });
    self.definition = Loading;
    const clock = new FakeClock();
    const store = (await stores.create()).open();
    const runtime = await start({ objects: [Loading, Node], store, environment: clock.environment });
    for (const id of ["call", "read"]) {
      const call = errorOf(runtime.get(Loading, id).visit());
      await settled();
      await clock.advance("10s");
      const error = await call;
      expect(error.code, id).toBe("ACTIVATION_FAILED");
      expect(causes(error), id).toContain("CALL_CYCLE");
    }
    expect(await runtime.get(Loading, "other").visit()).toBe(1);
  });

  test("two calls that wait for each other's objects end at their deadlines, and both objects go on", async () => {
    const clock = new FakeClock();
    const store = (await stores.create()).open();
    const runtime = await start({ objects: [Node], store, environment: clock.environment });
    const crossing = [runtime.get(Node, "A").follow(["B"]), runtime.get(Node, "B").follow(["A"])].map(codeOf);
    await settled();
    await clock.advance("6s");
    for (const code of await Promise.all(crossing)) expect(["CALL_TIMEOUT", "HANDLER_CRASHED"]).toContain(code);
    expect(await Promise.all([runtime.get(Node, "A").visit(), runtime.get(Node, "B").visit()])).toEqual([1, 1]);
  });
});

function causes(error: unknown): string[] {
  const codes: string[] = [];
  for (let link = error as { code?: string; cause?: unknown } | undefined; link !== undefined;) {
    codes.push(link.code ?? "?");
    link = link.cause as typeof link;
  }
  return codes;
}
