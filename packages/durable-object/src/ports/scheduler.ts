/**
 * The scheduler: finds the alarms that are due and has them delivered. The alarm rows of the object store
 * are the truth; a scheduler only decides when to look at them.
 *
 * It hears of every commit that changes alarms, so that it can wake up in time, and so that an alarm it
 * has read already, but that has not started, does not fire as it was. It delivers an alarm once at a time.
 * It passes `schedulerSuite` of `durable-object/testing`.
 */

import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type { AddressedAlarm, AlarmChange, OpenObjectStore } from "./object-store.ts";

/** The alarms a commit changed. */
export interface AlarmsChanged {
  readonly address: Address;
  /** Whether all alarms of the object went before `changes`. */
  readonly all: boolean;
  readonly changes: readonly AlarmChange[];
}

/** A due alarm that was handed over. */
export interface Delivery {
  /** The alarm was set anew, cancelled or deleted: if its handler has not started, it must not. */
  revoke(): void;
  /**
   * Resolves when the alarm was handled, put off, or revoked: to what its handler failed with, or null. Rejects if
   * nothing could be done about it now.
   */
  readonly over: Promise<Error | null>;
}

/** What a scheduler is given. */
export interface SchedulerHost {
  readonly environment: Environment;
  readonly store: Pick<OpenObjectStore, "dueAlarms" | "nextDueAfter" | "dueTenants" | "alarmTypes" | "companions">;
  /** The object types of this node: alarms of others wait for a node that knows them. */
  readonly types: readonly string[];
  /** Has the object handle its alarm. */
  deliver(alarm: AddressedAlarm): Delivery;
  /**
   * Has the owner of an object, whichever node that is, look for due alarms: its scheduler is told to `look`.
   *
   * @param dueAtMs - when an alarm of it is due, in ms since 1970
   */
  wake(address: Address, dueAtMs: number): Promise<void>;
  /** Tells operators something they should know. */
  readonly warn: (warning: string, message: string, cause?: unknown) => void;
}

/** A scheduler as the application configures it. */
export interface Scheduler {
  /** For telemetry: `"polling"`, … */
  readonly name: string;
  /** Whatever has to be there before anything is done: called once, before the store is opened. */
  prepare?(): Promise<void>;
  start(host: SchedulerHost): RunningScheduler;
}

/** A scheduler at work. */
export interface RunningScheduler {
  /** A commit has changed alarms. What was delivered of them is revoked before this returns, also after `stop`. */
  changed(alarms: AlarmsChanged): void;
  /**
   * There may be alarms that it has not heard of: more objects are this node's now, or somebody was told that one is due.
   *
   * @param atMs - when they are due, in ms since 1970; due already if not given
   */
  look(atMs?: number): void;
  /** Delivers nothing more; resolves when what it began is over. */
  stop(): Promise<void>;
}
