/**
 * The object that the benchmarks of alarms use: a ticket that expires, and a way to wait until as many have
 * expired as are due.
 */

import { createRuntime, defineObject, noreply, schedule, type Runtime } from "../../src/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";

/** What alarms have started. */
class Expiries {
  /** How late each has started, in ms. */
  readonly delaysMs: number[] = [];
  #lastId = "";
  #left = 0;
  #ended = (): void => {};

  /** Waits until `count` more have started. Resolves to the id of the last one. */
  next(count: number): Promise<string> {
    this.delaysMs.length = 0;
    this.#left = count;
    return new Promise((resolve) => (this.#ended = () => resolve(this.#lastId)));
  }

  started(id: string, dueAt: Date): void {
    this.delaysMs.push(performance.timeOrigin + performance.now() - dueAt.getTime());
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#lastId = id;
    this.#ended();
  }
}

/** What alarms have started in this process. */
export const expiries = new Expiries();

export const Ticket = defineObject({
  type: "ticket",
  state: { expired: 0 },
  handlers: {
    expireAt: ({ state }, dueAtMs: number) => noreply(state, schedule("expire", new Date(dueAtMs))),
  },
  alarms: {
    expire: ({ id, state, scheduledAt }) => {
      expiries.started(id, scheduledAt);
      return noreply({ expired: state.expired + 1 });
    },
  },
});

/** A runtime with tickets, under the settings of all benchmarks. */
export function openTickets(path: string): Promise<Runtime> {
  return createRuntime({ objects: [Ticket], store: sqlite(path) });
}

/** `count` ids of the same length. */
export function ticketIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `ticket-${String(index).padStart(6, "0")}`);
}

/** Sets an alarm on each ticket, each by a call of its own. */
export async function setAlarms(
  runtime: Runtime,
  ids: readonly string[],
  dueAtMs: (index: number) => number,
): Promise<void> {
  await Promise.all(ids.map((id, index) => runtime.get(Ticket, id).expireAt(dueAtMs(index))));
}

/** Waits until `count` more alarms have fired and all that came of it is on the disk. */
export async function allExpired(runtime: () => Promise<Runtime> | Runtime, count: number): Promise<void> {
  const started = expiries.next(count);
  const opened = await runtime();
  // Commits are in order, and a list waits for those before it.
  const left = await opened.get(Ticket, await started).alarms.list();
  if (left.length > 0) throw new Error("An alarm that was handled is still set.");
}
