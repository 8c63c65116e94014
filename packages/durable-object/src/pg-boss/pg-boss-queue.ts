/**
 * The job queue pg-boss, on the instance that the application runs.
 *
 * A commit that changes alarms deletes their jobs and inserts the new ones: two statements, however many alarms it changes, in its
 * own transaction. The id of a job follows from the alarm. So a job that runs just now is deleted by the commit that
 * acknowledges its alarm, and a handler that sets its own alarm again has a new job at once. What pg-boss retries is
 * waking only; what a handler fails with is retried by the alarm's own rule, as a job at a later time.
 */

import type { Job, JobInsert, PgBoss, WorkOptions } from "pg-boss";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import {
  clampedJobTime,
  contentOfJob,
  jobOfContent,
  type AlarmJob,
  type AlarmJobContent,
  type DeadAlarmJob,
  type JobChanges,
  type JobQueue,
  type JobQueueHost,
  type RunningJobQueue,
} from "../ports/job-queue.ts";
import type { RunSql } from "../ports/object-store.ts";
import { alarmJobId } from "./alarm-job-id.ts";

/** How alarms become jobs. */
export interface PgBossOptions {
  /** The instance that the application runs. It is started before the runtime, and stopped after it. */
  readonly boss: PgBoss;
  /** The queue of the alarms. Made if it is not there. Default `"durable-object-alarms"`. */
  readonly queue?: string | undefined;
  /** A queue that gets a job for each alarm that failed too often. Made if it is not there. Default: none. */
  readonly deadLetter?: string | undefined;
  /** How often pg-boss asks for jobs, in ms; at least `"500ms"`, which is the default. */
  readonly pollingInterval?: Duration | undefined;
  /** How many jobs are taken at a time. Default 256. */
  readonly batch?: number | undefined;
  /** How long after it is due an alarm is delivered whose job has not come. Default `"5s"`. */
  readonly grace?: Duration | undefined;
  /** How often alarms are looked for that are due and that nobody here knew of. Default `"1m"`. */
  readonly sweepInterval?: Duration | undefined;
}

const optionNames = new Set(["boss", "queue", "deadLetter", "pollingInterval", "batch", "grace", "sweepInterval"]);
const shortestPollingMs = 500;
/** How often waking an object is tried: as often as the original runs a job. */
const retryLimit = 2;

/**
 * Has alarms fire by jobs of pg-boss. Needs `postgres()`, and pg-boss in the same database.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 * @example
 * ```ts
 * const boss = await new PgBoss(databaseUrl).start();
 * const runtime = await createRuntime({ objects: [Cart], store: postgres(databaseUrl), scheduler: pgBoss({ boss }) });
 * ```
 */
export function pgBoss(options: PgBossOptions): JobQueue {
  for (const name of Object.keys(options ?? {})) {
    if (!optionNames.has(name))
      throw invalid(`there is no option "${name}". There are ${[...optionNames].join(", ")}.`);
  }
  const { boss, queue = "durable-object-alarms", deadLetter, batch = 256 } = options ?? {};
  if (typeof boss?.insert !== "function" || typeof boss.work !== "function") {
    throw invalid("boss must be an instance of PgBoss, of version 12 or newer.");
  }
  for (const name of [queue, deadLetter]) {
    if (name !== undefined && (typeof name !== "string" || !/^[\w./-]+$/.test(name))) {
      throw invalid(`${JSON.stringify(name)} cannot be the name of a queue: letters, digits and _ . / - are.`);
    }
  }
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw invalid(`batch must be a whole number from 1, not ${String(batch)}.`);
  const pollingMs = duration("pollingInterval", options.pollingInterval ?? shortestPollingMs, shortestPollingMs);
  const sweepIntervalMs = duration("sweepInterval", options.sweepInterval ?? "1m", 1);
  const graceMs = duration("grace", options.grace ?? "5s", 0);
  return new PgBossQueue(
    boss,
    queue,
    deadLetter ?? null,
    { sweepIntervalMs, graceMs },
    {
      batchSize: batch,
      pollingIntervalSeconds: pollingMs / 1_000,
      burstWhenBatchFull: true,
    },
  );
}

class PgBossQueue implements JobQueue {
  readonly name = "pg-boss";
  readonly sweepIntervalMs: number;
  readonly graceMs: number;
  readonly #boss: PgBoss;
  readonly #queue: string;
  readonly #deadLetter: string | null;
  readonly #work: WorkOptions;

  constructor(
    boss: PgBoss,
    queue: string,
    deadLetter: string | null,
    { sweepIntervalMs, graceMs }: Pick<JobQueue, "sweepIntervalMs" | "graceMs">,
    work: WorkOptions,
  ) {
    this.sweepIntervalMs = sweepIntervalMs;
    this.graceMs = graceMs;
    this.#boss = boss;
    this.#queue = queue;
    this.#deadLetter = deadLetter;
    this.#work = work;
  }

  async prepare(): Promise<void> {
    try {
      for (const name of [this.#queue, this.#deadLetter]) {
        if (name !== null && (await this.#boss.getQueue(name)) === null)
          await this.#boss.createQueue(name, { retryLimit });
      }
    } catch (error) {
      throw new DurableObjectError(
        "INVALID_OPTION",
        `pgBoss: the queue "${this.#queue}" cannot be used: ${messageOf(error)}. Start the boss before the runtime, ` +
          `\`await boss.start()\`, and stop it after.`,
        { cause: error },
      );
    }
  }

  start(host: JobQueueHost): RunningJobQueue {
    return new RunningPgBossQueue(this.#boss, this.#queue, this.#deadLetter, this.#work, host);
  }
}

class RunningPgBossQueue implements RunningJobQueue {
  readonly #boss: PgBoss;
  readonly #queue: string;
  readonly #deadLetter: string | null;
  readonly #host: JobQueueHost;
  readonly #worker: Promise<string | null>;

  constructor(boss: PgBoss, queue: string, deadLetter: string | null, work: WorkOptions, host: JobQueueHost) {
    this.#boss = boss;
    this.#queue = queue;
    this.#deadLetter = deadLetter;
    this.#host = host;
    const worker = boss.work(queue, work, async (jobs) => await this.#wakeAll(jobs));
    this.#worker = worker.catch((error: unknown) => {
      const message = `No jobs are taken from the queue "${queue}" of pg-boss: ${messageOf(error)}. Alarms fire by the sweep only.`;
      host.warn("job-queue-not-read", message, error);
      return null;
    });
  }

  async change(run: RunSql, { removed, set, dead }: JobChanges): Promise<void> {
    const db = {
      executeSql: async (text: string, values?: unknown[]) => ({ rows: [...(await run(text, values)).rows] }),
    };
    if (removed.length > 0) await this.#boss.deleteJob(this.#queue, removed.map(alarmJobId), { db });
    if (set.length > 0) await this.#boss.insert(this.#queue, set.map(jobOf), { db });
    const deadLetter = this.#deadLetter;
    if (deadLetter === null) return;
    // An alarm that is set anew, or tried again, is not dead any more.
    if (removed.length > 0) await this.#boss.deleteJob(deadLetter, removed.map(alarmJobId), { db });
    if (dead.length > 0) await this.#boss.insert(deadLetter, dead.map(deadJobOf), { db });
  }

  async stop(): Promise<void> {
    const id = await this.#worker;
    if (id === null) return;
    try {
      await this.#boss.offWork(this.#queue, { id, wait: true });
    } catch (error) {
      // The application may have stopped its boss before: then nothing is taken any more.
      this.#host.warn("job-queue-not-read", `pg-boss was stopped before the runtime: ${messageOf(error)}`, error);
    }
  }

  /** A job that fails is tried again by itself; the others of its batch are done. */
  async #wakeAll(jobs: readonly Job<unknown>[]): Promise<void> {
    await Promise.all(
      jobs.map(async ({ id, data }) => {
        try {
          await this.#wake(data);
        } catch (error) {
          await this.#boss.fail(this.#queue, id, { message: messageOf(error) });
        }
      }),
    );
  }

  async #wake(content: unknown): Promise<void> {
    const job = jobOfContent(content);
    if (job.schema !== this.#host.schema) {
      throw new Error(
        `The queue "${this.#queue}" holds a job of the schema "${job.schema}", and this runtime works on "${this.#host.schema}". ` +
          `Give each schema a queue of its own: pgBoss({ boss, queue }).`,
      );
    }
    await this.#host.wake(job);
  }
}

function jobOf(job: AlarmJob): JobInsert<AlarmJobContent> {
  return { id: alarmJobId(job), data: contentOfJob(job), startAfter: new Date(clampedJobTime(job.dueAt)) };
}

function deadJobOf(job: DeadAlarmJob): JobInsert {
  const { schema, address, name, attempts, lastError } = job;
  return { id: alarmJobId(job), data: { schema, ...address, alarm: name, attempts, lastError } };
}

function duration(name: string, value: Duration, leastMs: number): number {
  const ms = parseDuration(value);
  if (ms === null || ms < leastMs || !Number.isFinite(ms)) {
    throw invalid(`${name} must be a duration of at least ${leastMs} ms, not ${JSON.stringify(value)}.`);
  }
  return ms;
}

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `pgBoss: ${problem}`);
}
