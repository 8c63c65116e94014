/** The options of a runtime: checked once, and resolved into one frozen value. */

import { defaultRetry, resolveRetry, WrongRule, type RetryPolicy } from "../alarms/alarm-rule.ts";
import type { Cluster } from "../cluster/cluster-options.ts";
import { polling } from "../alarms/polling-scheduler.ts";
import { queueScheduler } from "../alarms/queue-scheduler.ts";
import { parseDuration, type Duration } from "../core/duration.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { AlarmRetry } from "../object/effect.ts";
import type { Instrumentation } from "../ports/instrumentation.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { OwnershipStore } from "../ports/ownership-store.ts";
import type { JobQueue } from "../ports/job-queue.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import { guardInstrumentation } from "../telemetry/guarded-instrumentation.ts";
import { systemEnvironment } from "./system-environment.ts";

/** What `createRuntime` takes. */
export interface RuntimeOptions {
  /** The object types this process serves. */
  readonly objects: readonly AnyDefinition[];
  /** Where they are kept: `sqlite(path)`, `memory()`. */
  readonly store: ObjectStore;
  /** Shares the store with other processes: `cluster({ transport })`. Default: this process has it for itself. */
  readonly cluster?: Cluster | undefined;
  /** How long a call may take, waiting included. Default `"5s"`. */
  readonly callTimeout?: Duration | "never" | undefined;
  /** How long `stop()` lets turns finish. Default `"25s"`. */
  readonly stopTimeout?: Duration | undefined;
  /** How many objects may be in memory before idle ones leave, the least recently used first. Default 1,000,000. */
  readonly maxActive?: number | undefined;
  /** How many calls may wait for one object. Default 1,024. */
  readonly mailboxLimit?: number | undefined;
  /** How many calls may be under way in this process. Default 20,000. */
  readonly maxPendingCalls?: number | undefined;
  /** The largest state, in bytes of JSON. Default 4 MiB. */
  readonly maxStateBytes?: number | undefined;
  /** The largest arguments of one call, in bytes of JSON. Default 1 MiB. */
  readonly maxArgumentBytes?: number | undefined;
  /**
   * Whether states are frozen, so that a handler that changes its state in place fails at once. Costs a walk over
   * what changed. Default: true, unless `NODE_ENV` is `production`.
   */
  readonly freezeState?: boolean | undefined;
  /** Finds the alarms that are due: `polling()`, the default, or a job queue such as `pgBoss({ boss })`. */
  readonly scheduler?: Scheduler | JobQueue | undefined;
  /** How failing alarms are retried, where they do not say: 12 attempts, after 2 s, 4 s, … at most 1 h. */
  readonly alarmRetry?: AlarmRetry | undefined;
  /** Follows calls through this process and to others: `openTelemetry()`. Default: nobody does, and nothing is paid. */
  readonly instrumentation?: Instrumentation | undefined;
  /** Time and chance. Default: the system's. */
  readonly environment?: Environment | undefined;
}

/** The options with every default filled in. */
export interface ResolvedOptions {
  readonly objects: readonly AnyDefinition[];
  readonly store: ObjectStore;
  readonly cluster: Cluster | null;
  /** `Infinity` for never. */
  readonly callTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly maxActive: number;
  readonly mailboxLimit: number;
  readonly maxPendingCalls: number;
  readonly maxStateBytes: number;
  readonly maxArgumentBytes: number;
  readonly freezeState: boolean;
  readonly scheduler: Scheduler;
  readonly alarmRetry: RetryPolicy;
  readonly instrumentation: Instrumentation | null;
  readonly environment: Environment;
}

/** A misspelt option would silently be its default. */
const optionNames: ReadonlySet<string> = new Set<keyof RuntimeOptions>([
  "objects",
  "store",
  "cluster",
  "callTimeout",
  "stopTimeout",
  "maxActive",
  "mailboxLimit",
  "maxPendingCalls",
  "maxStateBytes",
  "maxArgumentBytes",
  "freezeState",
  "scheduler",
  "alarmRetry",
  "instrumentation",
  "environment",
]);

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `createRuntime: ${problem}`);
}

function duration(name: string, value: Duration | "never" | undefined, fallbackMs: number): number {
  if (value === undefined) return fallbackMs;
  if (value === "never" && name === "callTimeout") return Infinity;
  const ms = parseDuration(value);
  if (ms === null) throw invalid(`${name} must be a duration such as "5s" or 5000, not ${JSON.stringify(value)}.`);
  return ms;
}

function count(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!Number.isSafeInteger(value) || value < 1)
    throw invalid(`${name} must be a whole number from 1, not ${JSON.stringify(value)}.`);
  return value;
}

function retryPolicy(retry: AlarmRetry | undefined): RetryPolicy {
  try {
    return resolveRetry(retry ?? {}, defaultRetry);
  } catch (error) {
    throw error instanceof WrongRule ? invalid(`alarmRetry: ${error.problem}.`) : error;
  }
}

function schedulerOf(given: Scheduler | JobQueue | undefined): Scheduler {
  if (given === undefined) return polling();
  if (typeof given?.start !== "function") {
    throw invalid("scheduler must be made by polling(), or by a job queue such as pgBoss({ boss }).");
  }
  return "sweepIntervalMs" in given ? queueScheduler(given) : given;
}

function instrumentationOf(given: Instrumentation | undefined): Instrumentation | null {
  if (given === undefined) return null;
  if (typeof given?.turn !== "function") throw invalid("instrumentation must be made by openTelemetry().");
  return guardInstrumentation(given);
}

function clusterOf(store: ObjectStore, given: Cluster | undefined): Cluster | null {
  if (given === undefined) return null;
  if (typeof given?.transport?.open !== "function") throw invalid("cluster must be made by cluster({ transport }).");
  if (typeof (store as Partial<OwnershipStore>).join !== "function") {
    throw invalid(`a store of ${store.name}() cannot be shared by several processes. Use postgres() with a cluster.`);
  }
  return given;
}

/**
 * Checks options and fills in defaults.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 */
export function resolveOptions(options: RuntimeOptions): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name))
      throw invalid(`there is no option "${name}". There are ${[...optionNames].join(", ")}.`);
  }
  const { store } = options;
  const objects: readonly AnyDefinition[] = options.objects;
  if (!Array.isArray(objects as unknown)) throw invalid("objects must be a list of definitions made by defineObject.");
  const types = new Set<string>();
  for (const definition of objects) {
    if (typeof definition?.type !== "string" || typeof definition.codec !== "object") {
      throw invalid("objects must be a list of definitions made by defineObject.");
    }
    if (types.has(definition.type))
      throw invalid(`two definitions have the type "${definition.type}". Types are unique.`);
    types.add(definition.type);
  }
  if (typeof store?.open !== "function") throw invalid("store is missing. Use sqlite(path) or memory().");
  return Object.freeze({
    objects: Object.freeze([...objects]),
    store,
    cluster: clusterOf(store, options.cluster),
    callTimeoutMs: duration("callTimeout", options.callTimeout, 5_000),
    stopTimeoutMs: duration("stopTimeout", options.stopTimeout, 25_000),
    maxActive: count("maxActive", options.maxActive, 1_000_000),
    mailboxLimit: count("mailboxLimit", options.mailboxLimit, 1_024),
    maxPendingCalls: count("maxPendingCalls", options.maxPendingCalls, 20_000),
    maxStateBytes: count("maxStateBytes", options.maxStateBytes, 4 * 1024 * 1024),
    maxArgumentBytes: count("maxArgumentBytes", options.maxArgumentBytes, 1024 * 1024),
    freezeState: options.freezeState ?? process.env["NODE_ENV"] !== "production",
    scheduler: schedulerOf(options.scheduler),
    alarmRetry: retryPolicy(options.alarmRetry),
    instrumentation: instrumentationOf(options.instrumentation),
    environment: options.environment ?? systemEnvironment,
  });
}
