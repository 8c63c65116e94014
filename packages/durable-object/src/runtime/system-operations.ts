/**
 * The operations the library itself has of every object. They go through the mailbox like handlers do, so
 * that setting an alarm from outside, or deleting an object, has its place in the order of calls.
 */

import {
  cancel,
  cancelAll,
  destroy,
  schedule,
  type Effect,
  type RepeatOptions,
  type ScheduleOptions,
  type When,
} from "../object/effect.ts";
import { noreply, reply } from "../object/outcome.ts";
import type { Operation, OperationContext, Pace } from "./operation.ts";

function operation(
  name: string,
  pace: Pace,
  run: (context: OperationContext, args: readonly unknown[]) => unknown,
  isRead = false,
): Operation {
  return { name, isRead, isSystem: true, schema: null, pace, run };
}

/** A time as `stub.alarms` sends it: `{ at }` for a date, which is not JSON. */
function fromWire(when: unknown): When {
  return typeof when === "object" && when !== null && "at" in when ? new Date(Number(when.at)) : (when as When);
}

/** Comes to life, and does nothing. */
export const activateOperation = operation("activate", "sync", () => noreply(), true);

/** Leaves memory. Starts when everything before it is durable. */
export const deactivateOperation = operation("deactivate", "async", (context) => {
  context.leave();
  return noreply();
});

/** Deletes the object. */
export const deleteOperation = operation("delete", "sync", (context) => noreply(context.state, destroy()));

/**
 * The job of an alarm has come: the node that owns the object looks for what is due. It is a message between nodes and no call: the
 * router does it, no turn runs, and nobody hears of it.
 */
export const wakeOperation: Operation = {
  name: "alarms.wake",
  isRead: true,
  isSystem: true,
  schema: null,
  pace: "sync",
  run: () => noreply(),
};

/** The operations behind `stub.alarms`. */
export const alarmOperations = {
  schedule: operation("alarms.schedule", "sync", (context, [name, when, options]) =>
    noreply(
      context.state,
      when === null
        ? schedule(name as string, (options ?? {}) as RepeatOptions)
        : schedule(name as string, fromWire(when), (options ?? {}) as ScheduleOptions),
    ),
  ),
  // Resolves to whether it was set, so it has to look; it waits until what it looks at is durable.
  cancel: operation("alarms.cancel", "async", async (context, [name]) => {
    const alarms = await context.storedAlarms();
    return alarms.some((alarm) => alarm.name === name)
      ? reply(true, context.state, cancel(name as string))
      : reply(false);
  }),
  cancelAll: operation("alarms.cancelAll", "sync", (context) => noreply(context.state, cancelAll())),
  list: operation("alarms.list", "async", async (context) => reply(await context.storedAlarms())),
  // Resolves to whether it was dead.
  redrive: operation("alarms.redrive", "async", async (context, [name]) => {
    const alarms = await context.storedAlarms();
    return alarms.some((alarm) => alarm.name === name && alarm.status === "dead")
      ? reply(true, context.state, { effect: "redrive", name } as unknown as Effect)
      : reply(false);
  }),
};

const systemOperations = new Map(
  [activateOperation, deactivateOperation, deleteOperation, wakeOperation, ...Object.values(alarmOperations)].map(
    (each) => [each.name, each],
  ),
);

/** The name of an operation between nodes: no handler's name begins like that of one of the library's own. */
export function wireName({ name, isSystem }: Operation): string {
  return isSystem ? `~${name}` : name;
}

/** The operation of that name; undefined if this node does not know it. */
export function operationNamed(name: string, handlers: ReadonlyMap<string, Operation>): Operation | undefined {
  return name.startsWith("~") ? systemOperations.get(name.slice(1)) : handlers.get(name);
}
