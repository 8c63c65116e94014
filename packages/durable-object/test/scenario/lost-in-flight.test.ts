/**
 * Promise 6, where it is easily broken: what was sent and not answered may still arrive, whatever the store
 * says meanwhile to somebody else, or to another copy of the same.
 */

import { expect, test } from "vitest";
import type { CommitBatch, CommitResult, ObjectStore, OpenObjectStore } from "../../src/ports/object-store.ts";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { Counter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

/** What the next commits meet: `late` gets no answer and arrives when the test says so. */
type Fate = "late" | "full";

/** A store whose commits may overtake each other. */
class SlowLine implements ObjectStore {
  readonly name: string;
  readonly #inner: ObjectStore;
  readonly #fates: Fate[] = [];
  readonly #arrive: (() => Promise<CommitResult>)[] = [];

  constructor(inner: ObjectStore) {
    this.name = inner.name;
    this.#inner = inner;
  }

  next(...fates: readonly Fate[]): void {
    this.#fates.push(...fates);
  }

  /** What is late arrives. What the store says to it, nobody hears. */
  async arrive(): Promise<void> {
    await Promise.allSettled(this.#arrive.splice(0).map((arrive) => arrive()));
  }

  async open(...opening: Parameters<ObjectStore["open"]>): Promise<OpenObjectStore> {
    const inner = await this.#inner.open(...opening);
    const commit = async (batch: CommitBatch): Promise<CommitResult> => {
      const fate = this.#fates.shift();
      if (fate === undefined) return await inner.commit(batch);
      if (fate === "full") throw new StoreFailure("full", "STORE_FULL", "There is no room.");
      this.#arrive.push(() => inner.commit(batch));
      throw new StoreFailure("retry", "STORE_UNAVAILABLE", "There was no answer.");
    };
    return new Proxy(inner, {
      get: (target, name) => {
        if (name === "commit") return commit;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  }
}

async function startOver(stores: TestStores) {
  const clock = new FakeClock();
  const disk = await stores.create();
  const line = new SlowLine(disk.open());
  const runtime = await start({ objects: [Counter], store: line, environment: clock.environment, stopTimeout: 0 });
  await runtime.get(Counter, "a").increment(10);
  return { clock, disk, line, runtime };
}

onEveryStore("a commit without an answer", (stores) => {
  test("is not taken for one that failed because there is no room for its second copy", async () => {
    const { clock, disk, line, runtime } = await startOver(stores);
    line.next("late", "full", "full");
    const call = runtime.get(Counter, "a", { timeout: "1m" }).increment();
    const code = codeOf(call);
    await settled();
    await clock.advance(100);
    await line.arrive();
    await clock.advance("10s");
    expect(await code).toBe("ok");
    expect(await call).toBe(11);
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "a").get()).toBe(11);
  });

  test("does not answer for the batch that comes next", async () => {
    const { clock, disk, line, runtime } = await startOver(stores);
    line.next("late", "full");
    const call = codeOf(runtime.get(Counter, "a", { timeout: "1m" }).increment());
    await settled();
    await clock.advance(100);
    await line.arrive();
    await clock.advance("10s");
    const other = await runtime.get(Counter, "b").increment(5);
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "b").get()).toBe(other);
    expect(await again.get(Counter, "a").get()).toBe((await call) === "ok" ? 11 : 10);
  });

  test("may have been applied, when a load finds out that the store has another owner", async () => {
    const clock = new FakeClock();
    const disk = await stores.create();
    const store = new FaultyStore(disk.open());
    const runtime = await start({ objects: [Counter], store, environment: clock.environment, stopTimeout: 0 });
    await runtime.get(Counter, "a").increment(10);
    const held = store.holdNextCommit("after");
    const call = errorOf(runtime.get(Counter, "a").increment());
    await held.reached;
    // Not sent yet: this one is certain.
    const gathered = errorOf(runtime.get(Counter, "a").increment());
    store.failLoads("lost", "STORE_TAKEN_OVER");
    expect(await codeOf(runtime.get(Counter, "b").get())).toBe("STORE_TAKEN_OVER");
    expect(await gathered).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "not-applied" });
    expect(await call).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "unknown" });
    held.release();
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "a").get()).toBe(11);
  });
});
