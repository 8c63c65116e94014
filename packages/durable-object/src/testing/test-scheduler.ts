/** The scheduler of a test runtime: the polling one, which can also be told to fire an alarm now. */

import { polling } from "../alarms/polling-scheduler.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { AlarmsChanged, Delivery, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";

/** The polling scheduler, with alarms that fire on demand. */
export class TestScheduler implements Scheduler {
  readonly name = "test";
  // Nobody else writes here, and a look every half minute would be all that happens in a virtual month.
  readonly #polling = polling({ pollingInterval: "3650d" });
  #host: SchedulerHost | null = null;
  readonly #delivered = new Set<{ readonly alarm: AddressedAlarm; readonly delivery: Delivery }>();

  start(host: SchedulerHost): RunningScheduler {
    this.#host = host;
    const running = this.#polling.start(host);
    return {
      changed: (alarms) => {
        this.#revoke(alarms);
        running.changed(alarms);
      },
      look: () => running.look(),
      stop: () => running.stop(),
    };
  }

  /** An alarm that was changed meanwhile must not start as it was, whoever has it fire. */
  #revoke({ address, all, changes }: AlarmsChanged): void {
    for (const { alarm, delivery } of this.#delivered) {
      const { tenant, type, id } = alarm.address;
      if (tenant !== address.tenant || type !== address.type || id !== address.id) continue;
      if (all || changes.some(({ name }) => name === alarm.name)) delivery.revoke();
    }
  }

  /** Has an object handle its alarm now, whenever it is due; resolves to what its handler failed with, or null. */
  async fire(alarm: AddressedAlarm): Promise<Error | null> {
    if (this.#host === null) throw new Error("The scheduler has not started.");
    const delivered = { alarm, delivery: this.#host.deliver(alarm) };
    this.#delivered.add(delivered);
    try {
      return await delivered.delivery.over;
    } finally {
      this.#delivered.delete(delivered);
    }
  }
}
