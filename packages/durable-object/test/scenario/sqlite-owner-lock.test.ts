/** One owner: held by a lock that dies with its process, whatever the process dies of. */

import { linkSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, StoreProcess, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

test("a second process is refused, told who the owner is, and gets the lock when the owner is killed", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const owner = await StoreProcess.start(path);
  await owner.succeed({ step: "open" });
  await owner.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { state: "41" })] } });

  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ name: "StoreFailure", kind: "retry", code: "STORE_LOCKED" });
  expect(failure.message).toContain(path);
  expect(failure.message).toContain(`pid ${owner.pid} `);
  expect(failure.message).toContain("sqlite-process.ts");
  expect(failure.message).toMatch(/host \S+, runtime child\) since 20\d\d-/);

  await owner.crash();
  const next = await openStore(path);
  await next.assertStored("a", { revision: 1, state: "41", stateVersion: 1 });
  await next.apply(write("a", { baseRevision: 1, state: "42" }));
});

test("a second process waits without blocking its event loop, and takes over when the owner closes", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const owner = await StoreProcess.start(path);
  await owner.succeed({ step: "open" });

  let ticks = 0;
  const ticking = setInterval(() => ticks++, 5);
  const opening = openStore(path, { lockTimeout: "5s" });
  await sleep(400);
  clearInterval(ticking);
  await owner.succeed({ step: "close" });
  const store = await opening;
  await store.apply(write("a"));
  expect(ticks).toBeGreaterThan(20);

  // The one that has closed is refused now, and told about this process.
  const answer = await owner.take({ step: "open" });
  expect(answer.failure).toMatchObject({ code: "STORE_LOCKED" });
  expect(answer.failure?.message).toContain(`pid ${process.pid} `);
});

test("several that wait get the store one after the other", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const owner = await StoreProcess.start(path);
  await owner.succeed({ step: "open" });
  const options = { store: { lockTimeout: "10s" } } as const;
  const waiting = await Promise.all([1, 2, 3].map(() => StoreProcess.start(path, options)));
  const order: number[] = [];
  const turns = waiting.map(async (process, index) => {
    await process.succeed({ step: "open" });
    order.push(index);
    const revision = order.length;
    const writes = [write("a", { baseRevision: revision - 1, state: `${revision}` })];
    await process.succeed({ step: "commit", batch: { number: 1, at: 1, writes } });
    if (revision === 1) await process.crash();
    else await process.succeed({ step: "close" });
  });
  await sleep(200);
  expect(order).toEqual([]);
  await owner.succeed({ step: "close" });
  await Promise.all(turns);
  await (await openStore(path)).assertStored("a", { revision: 3, state: "3", stateVersion: 1 });
});

test("a process that is suspended still holds the lock", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const owner = await StoreProcess.start(path);
  await owner.succeed({ step: "open" });
  owner.signal("SIGSTOP");
  expect(await failureOf(openStore(path, { lockTimeout: 200 }))).toMatchObject({ code: "STORE_LOCKED" });
  owner.signal("SIGCONT");
  await owner.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a")] } });
});

test("a second store in the same process is refused, whatever the file is called", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "app.db");
  const first = await openStore(path);
  mkdirSync(join(directory, "other"));
  symlinkSync(path, join(directory, "other", "symbolic.db"));
  symlinkSync(directory, join(directory, "other", "directory"));
  linkSync(path, join(directory, "other", "hard.db"));
  for (const name of ["app.db", "other/symbolic.db", "other/directory/app.db", "other/hard.db"]) {
    const failure = await failureOf(openStore(join(directory, name)));
    expect(failure.code, name).toBe("STORE_LOCKED");
    expect(failure.message).toContain(`this process already, pid ${process.pid} `);
  }
  await first.apply(write("a"));
  await first.store.close();
  await (await openStore(join(directory, "other", "symbolic.db"))).store.close();
});

test("a second process that comes through a symbolic link is refused", async () => {
  const directory = temporaryDirectory();
  await openStore(join(directory, "app.db"));
  symlinkSync(join(directory, "app.db"), join(directory, "link.db"));
  const other = await StoreProcess.start(join(directory, "link.db"));
  expect((await other.take({ step: "open" })).failure).toMatchObject({ code: "STORE_LOCKED" });
});

test("a store that could not be opened leaves no lock behind", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "app.db");
  const first = await openStore(path);
  await failureOf(openStore(path));
  await first.store.close();
  const second = await openStore(path);
  await second.store.close();
});

test("what was answered survives the death of the process", async () => {
  for (const [round, lifetimeMs] of [15, 40, 90].entries()) {
    const path = join(temporaryDirectory(), `app-${round}.db`);
    const owner = await StoreProcess.start(path, { store: { worker: round === 2 } });
    await owner.succeed({ step: "open" });
    owner.send({ step: "commitForever", id: "a" });
    await owner.next();
    await sleep(lifetimeMs);
    const answers = await owner.crash();
    const answered = Number(answers.at(-1)?.value ?? 1);
    const stored = await (await openStore(path)).load("a");
    expect(stored?.revision).toBeGreaterThanOrEqual(answered);
    expect(stored?.state).toBe(`${stored?.revision}`);
  }
});
