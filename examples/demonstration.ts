/**
 * The demonstration: clients write over HTTP, the server is killed in the middle, and every answer that was given
 * is compared with what is in the database.
 *
 * Each client increments a counter of its own, one write after the other. So the answer to its next write must be
 * the number of its answers so far plus one: a lower one means that a write got lost, a higher one that a write was
 * applied twice. Writes that the kill left without an answer are repeated under the same idempotency key.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { readCounters } from "./shop-rows.ts";
import { StartFailed, type ShopProcess } from "./shop-process.ts";

/** Answers given, compared with counts in the database. */
export interface Comparison {
  readonly acknowledged: number;
  readonly found: number;
  readonly lost: number;
  /** Found, but not acknowledged. */
  readonly extra: number;
}

/** What happens, as it happens. */
export interface Spectator {
  writing(clients: number): void;
  /** The server is dead, and its database was read. */
  killed(pid: number | undefined, atOnce: Comparison): void;
  /** The server is back, and all clients got all their answers. */
  finished(restartMs: number, atEnd: Comparison): void;
}

/** How long to write before the kill and after it, and by how many clients. */
export interface Plan {
  readonly clients: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** One client: it knows what it was told, and what it waits for. */
class Client {
  readonly counter: string;
  /** The count that the last answer gave. */
  acknowledged: number;

  constructor(counter: string, count: number) {
    this.counter = counter;
    this.acknowledged = count;
  }

  /** Writes once, and checks the answer. */
  async write(shop: ShopProcess, signal: AbortSignal): Promise<void> {
    const expected = this.acknowledged + 1;
    const count = await this.#increment(shop, `${this.counter}: ${expected}`, signal);
    if (count !== expected) throw new Error(`${this.counter}: the count is ${count} and should be ${expected}`);
    this.acknowledged = count;
  }

  /** One write, repeated until it is answered. */
  async #increment(shop: ShopProcess, key: string, signal: AbortSignal): Promise<number> {
    const headers = { "idempotency-key": key };
    const body = JSON.stringify({ counter: this.counter });
    for (;;) {
      try {
        const response = await fetch(`${shop.url}/count`, { method: "POST", headers, body, signal });
        if (response.ok) return (await response.json()) as number;
        throw new Error(`${response.status} ${await response.text()}`);
      } catch (error) {
        // What `fetch` throws when the server is gone. Everything else is a real failure.
        if (!(error instanceof TypeError)) throw error;
        await sleep(20, undefined, { signal });
      }
    }
  }
}

/** Runs it on a shop that is up. The shop is up again afterwards. */
export async function demonstrate(
  shop: ShopProcess,
  place: string,
  plan: Plan,
  spectator: Spectator,
): Promise<Comparison> {
  // The counters of an earlier demonstration go on where they are.
  const before = await readCounters(place);
  const clients = Array.from({ length: plan.clients }, (_, index) => {
    const counter = `demonstration-${index + 1}`;
    return new Client(counter, before.get(counter) ?? 0);
  });
  const compareNow = async (): Promise<Comparison> => compare(clients, before, await readCounters(place));

  spectator.writing(clients.length);
  const failure = new AbortController();
  let isOver = false;
  const writeOn = async (client: Client): Promise<void> => {
    for (;;) {
      if (isOver) return;
      await client.write(shop, failure.signal);
    }
  };
  try {
    // The first round is no race: everybody has an answer that could get lost.
    await untilAnswered(shop, Promise.all(clients.map((client) => client.write(shop, failure.signal))));
    const writing = Promise.all(clients.map(writeOn));
    // If a client fails, it ends at once instead of at the end of the plan.
    await Promise.race([sleep(plan.beforeMs * (0.75 + Math.random() / 2)), writing]);
    const { pid } = shop;
    await shop.kill();
    spectator.killed(pid, await compareNow());

    const restartMs = await shop.start();
    await Promise.race([sleep(plan.afterMs), writing]);
    isOver = true;
    await untilAnswered(shop, writing);
    const atEnd = await compareNow();
    spectator.finished(restartMs, atEnd);
    return atEnd;
  } finally {
    failure.abort();
  }
}

/** Waits for answers, and starts the shop again if somebody else kills it meanwhile: the page has a button for it. */
async function untilAnswered(shop: ShopProcess, writing: Promise<unknown>): Promise<void> {
  const answered = writing.then(() => null);
  for (;;) {
    const exit = await Promise.race([answered, shop.exited]);
    if (exit === null) return;
    if (exit.signal === null) throw new StartFailed("The shop ended by itself.");
    await shop.start();
  }
}

/** Compares client by client, and counts only what was written since `before`. */
function compare(
  clients: readonly Client[],
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
): Comparison {
  let [acknowledged, found, lost, extra] = [0, 0, 0, 0];
  for (const client of clients) {
    const start = before.get(client.counter) ?? 0;
    const count = now.get(client.counter) ?? 0;
    acknowledged += client.acknowledged - start;
    found += count - start;
    lost += Math.max(0, client.acknowledged - count);
    extra += Math.max(0, count - client.acknowledged);
  }
  return { acknowledged, found, lost, extra };
}
