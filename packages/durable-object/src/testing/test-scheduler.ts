/** The scheduler of a test runtime: the polling one, which can also be told to fire an alarm now. */

import { polling } from "../alarms/polling-scheduler.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { Delivery, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";

/** The polling scheduler, with alarms that fire on demand. */
export class TestScheduler implements Scheduler {
  readonly name = "test";
  // Nobody else writes here, and a look every half minute would be all that happens in a virtual month.
  readonly #polling = polling({ pollingInterval: "3650d" });
  #host: SchedulerHost | null = null;

  start(host: SchedulerHost): RunningScheduler {
    this.#host = host;
    return this.#polling.start(host);
  }

  /** Has an object handle its alarm now, whenever it is due. */
  deliver(alarm: AddressedAlarm): Delivery {
    if (this.#host === null) throw new Error("The scheduler has not started.");
    return this.#host.deliver(alarm);
  }
}
