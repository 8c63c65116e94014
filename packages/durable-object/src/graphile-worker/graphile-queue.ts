/**
 * The job queue Graphile Worker, with the runner that the application has.
 *
 * A commit that changes alarms calls `add_job` and `remove_job`, the functions that Graphile Worker puts into the database for
 * this, in its own transaction: one statement each, however many alarms it changes. The key of a job follows from the alarm. The runner
 * is the application's: it is given one more task.
 */

import { createHash } from "node:crypto";
import type { Task } from "graphile-worker";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import {
  clampedJobTime,
  contentOfJob,
  jobOfContent,
  type AlarmJob,
  type AlarmJobKey,
  type JobChanges,
  type JobQueue,
  type JobQueueHost,
  type RunningJobQueue,
} from "../ports/job-queue.ts";
import type { RunSql } from "../ports/object-store.ts";

/** How alarms become jobs. */
export interface GraphileWorkerOptions {
  /** The schema of Graphile Worker. Default `"graphile_worker"`. */
  readonly schema?: string | undefined;
  /** The name of the task. Default `"durable-object-alarms"`. */
  readonly task?: string | undefined;
  /** How long after it is due an alarm is delivered whose job has not come. Default `"5s"`. */
  readonly grace?: Duration | undefined;
  /** How often alarms are looked for that are due and that nobody here knew of. Default `"1m"`. */
  readonly sweepInterval?: Duration | undefined;
}

/** The scheduler, with what the application's runner has to be given. */
export interface GraphileAlarms extends JobQueue {
  /** For the runner: `run({ taskList: { ...yours, ...alarms.tasks } })`. Jobs that come before the runtime runs are tried again. */
  readonly tasks: Readonly<Record<string, Task>>;
}

const optionNames = new Set(["schema", "task", "grace", "sweepInterval"]);
/** How often waking an object is tried. */
const maxAttempts = 3;

/**
 * Has alarms fire by jobs of Graphile Worker. Needs `postgres()`, and Graphile Worker in the same database.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 * @example
 * ```ts
 * const alarms = graphileWorker();
 * const runner = await run({ connectionString: databaseUrl, taskList: { ...alarms.tasks } });
 * const runtime = await createRuntime({ objects: [Cart], store: postgres(databaseUrl), scheduler: alarms });
 * ```
 */
export function graphileWorker(options: GraphileWorkerOptions = {}): GraphileAlarms {
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name))
      throw invalid(`there is no option "${name}". There are ${[...optionNames].join(", ")}.`);
  }
  const { schema = "graphile_worker", task = "durable-object-alarms" } = options;
  if (typeof schema !== "string" || !/^[A-Za-z_]\w*$/.test(schema)) {
    throw invalid(`schema must be the name of a schema, not ${JSON.stringify(schema)}.`);
  }
  if (typeof task !== "string" || !/^[\w-]{1,100}$/.test(task)) {
    throw invalid(`task must be a name of letters, digits, _ and -, not ${JSON.stringify(task)}.`);
  }
  const sweepIntervalMs = duration("sweepInterval", options.sweepInterval ?? "1m", 1);
  const graceMs = duration("grace", options.grace ?? "5s", 0);
  return new GraphileQueue(schema, task, sweepIntervalMs, graceMs);
}

class GraphileQueue implements GraphileAlarms {
  readonly name = "graphile-worker";
  readonly sweepIntervalMs: number;
  readonly graceMs: number;
  readonly tasks: Readonly<Record<string, Task>>;
  readonly #schema: string;
  readonly #task: string;
  /** The runtimes that take jobs. There may be several on one schema: nodes of a cluster in one process. */
  readonly #hosts = new Set<JobQueueHost>();

  constructor(schema: string, task: string, sweepIntervalMs: number, graceMs: number) {
    this.graceMs = graceMs;
    this.#schema = schema;
    this.#task = task;
    this.sweepIntervalMs = sweepIntervalMs;
    this.tasks = { [task]: async (payload) => await this.#wake(jobOfContent(payload)) };
  }

  /** Whether the tables are there is known when the first job is written: the runner may be another process's. */
  async prepare(): Promise<void> {}

  start(host: JobQueueHost): RunningJobQueue {
    this.#hosts.add(host);
    return {
      change: async (run, changes) => await this.#change(run, changes),
      stop: async () => {
        this.#hosts.delete(host);
      },
    };
  }

  async #wake(job: AlarmJob): Promise<void> {
    const host = [...this.#hosts].find(({ schema }) => schema === job.schema);
    if (host === undefined) {
      throw new Error(
        `No runtime of this process works on the schema "${job.schema}" with the task "${this.#task}" just now.`,
      );
    }
    await host.wake(job);
  }

  async #change(run: RunSql, { removed, set }: JobChanges): Promise<void> {
    const kept = new Set(set.map(jobKey));
    const gone = removed.map(jobKey).filter((key) => !kept.has(key));
    try {
      if (gone.length > 0) await run(`SELECT "${this.#schema}".remove_job(key) FROM unnest($1::text[]) AS key`, [gone]);
      if (set.length === 0) return;
      const jobs = set.map((job) => ({
        key: jobKey(job),
        run_at: new Date(clampedJobTime(job.dueAt)).toISOString(),
        payload: contentOfJob(job),
      }));
      // With the same key: takes the place of one that waits; beside one that runs there is a new one.
      await run(
        `SELECT "${this.#schema}".add_job($1, payload => job.payload, run_at => job.run_at, max_attempts => $2, job_key => job.key)
         FROM json_to_recordset($3::json) AS job (key text, run_at timestamptz, payload json)`,
        [this.#task, maxAttempts, JSON.stringify(jobs)],
      );
    } catch (error) {
      throw new Error(
        `Graphile Worker in the schema "${this.#schema}" did not take the job: ${messageOf(error)}. Have its runner run once, which makes its tables.`,
        { cause: error },
      );
    }
  }
}

/** The key of the job of an alarm: the same for every setting of it. */
function jobKey({ schema, address: { tenant, type, id }, name }: AlarmJobKey): string {
  return `durable-object:${createHash("sha256")
    .update(JSON.stringify([schema, tenant, type, id, name]))
    .digest("base64url")}`;
}

function duration(name: string, value: Duration, leastMs: number): number {
  const ms = parseDuration(value);
  if (ms !== null && ms >= leastMs && Number.isFinite(ms)) return ms;
  throw invalid(`${name} must be a duration such as "1m", not ${JSON.stringify(value)}.`);
}

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `graphileWorker: ${problem}`);
}
