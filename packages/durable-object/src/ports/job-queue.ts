/**
 * A job queue that wakes alarms: what the engine asks of a queue that the application runs already.
 *
 * The alarm rows of the store are the truth. Each alarm that is set has one job, due when the alarm is; the job says
 * which object to look at, and nothing more. Jobs are added and removed in the transaction of the commit that changes the alarm, so
 * neither is there without the other; and should somebody delete a job, its alarm is found by a sweep.
 */

import type { Address } from "../core/address.ts";
import type { RunSql } from "./object-store.ts";

/** Which alarm a job is of. The same alarm has the same job, however often it is set. */
export interface AlarmJobKey {
  /** The schema of the tables: two stores may share a queue. */
  readonly schema: string;
  readonly address: Address;
  readonly name: string;
}

/** The job of an alarm. */
export interface AlarmJob extends AlarmJobKey {
  /** In ms since 1970. */
  readonly dueAt: number;
}

/** An alarm that failed too often: it has no job, and may have a place in a queue of dead letters. */
export interface DeadAlarmJob extends AlarmJobKey {
  readonly attempts: number;
  readonly lastError: string | null;
}

/** What a commit changes about jobs. */
export interface JobChanges {
  /** Alarms whose job goes, those of `set` among them: whatever is queued is of an earlier setting. */
  readonly removed: readonly AlarmJobKey[];
  readonly set: readonly AlarmJob[];
  readonly dead: readonly DeadAlarmJob[];
}

/** What a queue is given when work begins. */
export interface JobQueueHost {
  /** The schema of this store: jobs of another one are not for it. */
  readonly schema: string;
  /** The time has come for an alarm. If it rejects, the queue tries the job again. */
  wake(job: AlarmJob): Promise<void>;
  /** Tells operators something they should know. */
  readonly warn: (warning: string, message: string, cause?: unknown) => void;
}

/** A queue as the application configures it. */
export interface JobQueue {
  /** For telemetry: `"pg-boss"`, … */
  readonly name: string;
  /** How often alarms are looked for that are due and have no job any more, in ms. */
  readonly sweepIntervalMs: number;
  /** How long after it is due an alarm is delivered whose job has not come, in ms. */
  readonly graceMs: number;
  /** Makes sure that the queue is there and at work, before anything is done with it. */
  prepare(): Promise<void>;
  start(host: JobQueueHost): RunningJobQueue;
}

/** A queue at work. */
export interface RunningJobQueue {
  /** Changes jobs in the transaction that `run` runs statements in. */
  change(run: RunSql, changes: JobChanges): Promise<void>;
  /** Takes no more jobs; resolves when what it began is over. Jobs that are set still may be changed. */
  stop(): Promise<void>;
}
