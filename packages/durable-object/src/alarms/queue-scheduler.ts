/**
 * The scheduler on a job queue: jobs say when to look, and the polling scheduler does the looking.
 *
 * A job arrives at any node. It has the owner of its object look for due alarms, which is a call like any other. What is due is then
 * delivered as always: bounded, fair, one at a time for each object. Should the job of an alarm not come, the looking begins by itself a
 * while after the alarm is due; and a sweep finds what nobody here knew of.
 */

import { formatAddress } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { AlarmJob, JobChanges, JobQueue, RunningJobQueue } from "../ports/job-queue.ts";
import type { CommittedAlarms } from "../ports/object-store.ts";
import type { AlarmsChanged, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";
import { startPolling } from "./polling-scheduler.ts";

/** How long a job waits for its time that comes early: clocks differ. Longer, and the queue has it again. */
const longestWaitMs = 30_000;

/** A scheduler that works by jobs. */
export function queueScheduler(queue: JobQueue): Scheduler {
  return {
    name: queue.name,
    prepare: () => queue.prepare(),
    start: (host) => new QueueScheduler(queue, host),
  };
}

class QueueScheduler implements RunningScheduler {
  readonly #host: SchedulerHost;
  readonly #polling: RunningScheduler;
  readonly #queue: RunningJobQueue;

  constructor(queue: JobQueue, host: SchedulerHost) {
    this.#host = host;
    const { companions } = host.store;
    if (companions === undefined) {
      throw new DurableObjectError(
        "INVALID_OPTION",
        `createRuntime: the scheduler ${queue.name} writes its jobs in the transactions of the store, which only postgres() ` +
          `lets it do. Use postgres(), or polling().`,
      );
    }
    const { schema } = companions;
    const running = queue.start({ schema, wake: (job) => this.#wake(job), warn: host.warn });
    this.#queue = running;
    companions.join((run, committed) => running.change(run, changesOf(schema, committed)));
    this.#polling = startPolling(host, queue.sweepIntervalMs, queue.graceMs);
  }

  changed(alarms: AlarmsChanged): void {
    this.#polling.changed(alarms);
  }

  look(): void {
    this.#polling.look();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#queue.stop(), this.#polling.stop()]);
  }

  async #wake({ address, dueAt }: AlarmJob): Promise<void> {
    const { environment } = this.#host;
    const earlyMs = dueAt - environment.now();
    if (earlyMs > longestWaitMs) throw new Error(`The alarm of ${formatAddress(address)} is due in ${earlyMs} ms.`);
    if (earlyMs > 0) await new Promise<void>((resolve) => environment.after(Math.ceil(earlyMs), resolve));
    await this.#host.wake(address);
  }
}

function changesOf(schema: string, committed: readonly CommittedAlarms[]): JobChanges {
  const removed: JobChanges["removed"][number][] = [];
  const set: AlarmJob[] = [];
  const dead: JobChanges["dead"][number][] = [];
  for (const { address, gone, changes } of committed) {
    for (const name of gone) removed.push({ schema, address, name });
    for (const change of changes) {
      const { name } = change;
      const key = { schema, address, name };
      if (!gone.includes(name)) removed.push(key);
      if (change.change === "attempted" && change.status === "dead") {
        dead.push({ ...key, attempts: change.attempts, lastError: change.lastError });
      } else if ("dueAt" in change) {
        set.push({ ...key, dueAt: change.dueAt });
      }
    }
  }
  return { removed, set, dead };
}
