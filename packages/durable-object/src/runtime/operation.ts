/**
 * Operations: what a call can ask of an object. The handlers of a definition, and the few the library has
 * of its own (`system-operations.ts`), in one shape, so that every call takes the same path.
 */

import type { AnyDefinition } from "../object/define-object.ts";
import { argumentsSchema, readOnly, written, type HandlerMarks } from "../object/handler.ts";
import type { Schema } from "../object/schema.ts";
import type { StateCodec } from "../object/state-codec.ts";
import type { StoredAlarm } from "../ports/object-store.ts";
import type { Address } from "../core/address.ts";

/**
 * How far a turn may run ahead of the disk. A `sync` operation may run on a state whose commit is in
 * flight. An `async` one starts only when everything before it is durable, because it may speak to the
 * world. A function that is not declared `async` is `unproven` until it has returned without a promise
 * once, and is treated like an `async` one until then.
 */
export type Pace = "sync" | "async" | "unproven";

/** What an operation is given: a handler sees it as its `Context`, the library's own operations as this. */
export interface OperationContext {
  readonly address: Address;
  readonly state: unknown;
  /** The alarms that are stored. */
  storedAlarms(): Promise<readonly StoredAlarm[]>;
  /** Has the object leave memory when this turn is over. */
  leave(): void;
}

/** Something a call can ask of an object. */
export interface Operation {
  readonly name: string;
  /** Whether it runs at once on the last committed state, and may not write. */
  readonly isRead: boolean;
  /** Whether it is one of the library's own. */
  readonly isSystem: boolean;
  readonly schema: Schema | null;
  pace: Pace;
  /** Runs it; returns an outcome or a promise of one. */
  readonly run: (context: OperationContext, args: readonly unknown[]) => unknown;
}

/** An object type as the engine uses it: the definition, with its handlers in a map. */
export interface ObjectType {
  readonly name: string;
  readonly definition: AnyDefinition;
  readonly codec: StateCodec;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly afterLoad: Operation | null;
  readonly alarms: ReadonlyMap<string, Operation>;
  readonly hibernateAfterMs: number;
  readonly shutdownAfterMs: number;
}

// Only its constructor matters.
const AsyncFunction: unknown = (async () => {}).constructor;

type Handler = HandlerMarks & ((context: OperationContext, ...args: readonly unknown[]) => unknown);

function handlerOperation(name: string, handler: Handler): Operation {
  const fn = (handler[written] ?? handler) as (context: OperationContext, ...args: readonly unknown[]) => unknown;
  return {
    name,
    isRead: handler[readOnly] === true,
    isSystem: false,
    schema: handler[argumentsSchema] ?? null,
    pace: fn.constructor === AsyncFunction ? "async" : "unproven",
    run: (context, args) => (args.length === 1 ? fn(context, args[0]) : fn(context, ...args)),
  };
}

/** The engine's view of a definition. */
export function objectType(definition: AnyDefinition): ObjectType {
  const operations = new Map<string, Operation>();
  for (const [name, handler] of Object.entries(definition.handlers as Record<string, Handler>)) {
    operations.set(name, handlerOperation(name, handler));
  }
  const alarms = new Map<string, Operation>();
  for (const [name, handler] of Object.entries(definition.alarms as Record<string, Handler>)) {
    alarms.set(name, handlerOperation(name, handler));
  }
  return {
    name: definition.type,
    definition,
    codec: definition.codec,
    operations,
    afterLoad:
      definition.afterLoad === undefined
        ? null
        : handlerOperation("afterLoad", definition.afterLoad as unknown as Handler),
    alarms,
    hibernateAfterMs: definition.hibernateAfterMs,
    shutdownAfterMs: definition.shutdownAfterMs,
  };
}
