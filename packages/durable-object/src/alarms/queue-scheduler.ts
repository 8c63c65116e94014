/**
 * The scheduler on a job queue: jobs say when to look, and the polling scheduler does the looking.
 *
 * A job arrives at any node. It has the owner of its object look for due alarms, past the mailbox of the object. What is due is then
 * delivered as always: bounded, fair, one at a time for each object. Should the job of an alarm not come, the looking begins by itself a
 * while after the alarm is due; and a sweep finds what nobody here knew of.
 */

import { DurableObjectError } from "../core/errors.ts";
import type { AlarmJob, AlarmJobKey, DeadAlarmJob, JobChanges, JobQueue, RunningJobQueue } from "../ports/job-queue.ts";
import type { CommittedAlarms } from "../ports/object-store.ts";
import type { AlarmsChanged, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";
import { objectKey } from "./alarm-queue.ts";
import { startPolling } from "./polling-scheduler.ts";

/** A scheduler that works by jobs. */
export function queueScheduler(queue: JobQueue): Scheduler {
  return {
    name: queue.name,
    prepare: () => queue.prepare(),
    start: (host) => new QueueScheduler(queue, host),
  };
}

class QueueScheduler implements RunningScheduler {
  readonly #polling: RunningScheduler;
  readonly #queue: RunningJobQueue;

  constructor(queue: JobQueue, host: SchedulerHost) {
    const { companions } = host.store;
    if (companions === undefined) {
      throw new DurableObjectError(
        "INVALID_OPTION",
        `createRuntime: the scheduler ${queue.name} writes its jobs in the transactions of the store, which only postgres() ` +
          `lets it do. Use postgres(), or polling().`,
      );
    }
    const { schema } = companions;
    const running = queue.start({ schema, wake: ({ address, dueAt }) => host.wake(address, dueAt), warn: host.warn });
    this.#queue = running;
    companions.join((run, committed) => running.change(run, changesOf(schema, committed)));
    this.#polling = startPolling(host, queue.sweepIntervalMs, queue.graceMs);
  }

  changed(alarms: AlarmsChanged): void {
    this.#polling.changed(alarms);
  }

  look(atMs?: number): void {
    this.#polling.look(atMs);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#queue.stop(), this.#polling.stop()]);
  }
}

/** What becomes of the jobs. What was said last of an alarm counts, as it does in the store. */
function changesOf(schema: string, committed: readonly CommittedAlarms[]): JobChanges {
  const removed = new Map<string, AlarmJobKey>();
  const set = new Map<string, AlarmJob>();
  const dead = new Map<string, DeadAlarmJob>();
  for (const { address, gone, changes } of committed) {
    const object = objectKey(address);
    const begin = (name: string): [string, AlarmJobKey] => {
      const at = `${object}\u0000${name}`;
      const key = { schema, address, name };
      removed.set(at, key);
      set.delete(at);
      dead.delete(at);
      return [at, key];
    };
    for (const name of gone) begin(name);
    for (const change of changes) {
      const [at, key] = begin(change.name);
      if (change.change === "attempted" && change.status === "dead") {
        dead.set(at, { ...key, attempts: change.attempts, lastError: change.lastError });
      } else if ("dueAt" in change) {
        set.set(at, { ...key, dueAt: change.dueAt });
      }
    }
  }
  return { removed: [...removed.values()], set: [...set.values()], dead: [...dead.values()] };
}
