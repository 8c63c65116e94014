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

/** What a job carries, in every queue: people read it there. */
export interface AlarmJobContent {
  readonly schema: string;
  readonly tenant: string;
  readonly type: string;
  readonly id: string;
  readonly alarm: string;
  /** In ms since 1970. */
  readonly dueAt: number;
}

/** What the job of an alarm carries. */
export function contentOfJob({ schema, address: { tenant, type, id }, name, dueAt }: AlarmJob): AlarmJobContent {
  return { schema, tenant, type, id, alarm: name, dueAt };
}

/** The job that carries something. Whatever it is: others may have written into the queue. */
export function jobOfContent(content: unknown): AlarmJob {
  const { schema, tenant, type, id, alarm, dueAt } = (content ?? {}) as Partial<AlarmJobContent>;
  const texts = [schema, tenant, type, id, alarm];
  if (texts.some((text) => typeof text !== "string") || typeof dueAt !== "number") {
    throw new TypeError(`This is not the job of an alarm: ${JSON.stringify(content)?.slice(0, 200)}`);
  }
  const [of = "", tenantOf = "", typeOf = "", idOf = "", name = ""] = texts;
  return { schema: of, address: { tenant: tenantOf, type: typeOf, id: idOf }, name, dueAt };
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

const latestJobTime = Date.UTC(9999, 11, 31);

/** A due time as queues can write it, with a year of four digits. No clock shows a time that is changed by that. */
export function clampedJobTime(dueAtMs: number): number {
  return Math.min(Math.max(dueAtMs, 0), latestJobTime);
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
