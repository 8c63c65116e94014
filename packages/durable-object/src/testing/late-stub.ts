/** A stub that finds its runtime anew at each call: it outlives the runtime it was made on. */

import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub } from "../object/stub.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Has something asked of whichever runtime is there. */
export type Ask = <Answer>(what: (runtime: Runtime) => Promise<Answer>) => Promise<Answer>;

type Methods = Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;

const alarmMethods = ["schedule", "cancel", "cancelAll", "list"];

/**
 * A stub whose every method is called on the stub of the runtime that is there then.
 *
 * @param handlers - the names of the handlers
 * @param stubOf - the stub that a runtime would give
 */
export function lateStub<Definition extends AnyDefinition>(
  ask: Ask,
  handlers: readonly string[],
  stubOf: (runtime: Runtime) => Stub<Definition>,
): Stub<Definition> {
  const late = (names: readonly string[], of: (stub: Stub<Definition>) => unknown): Methods => {
    const call = (name: string, args: readonly unknown[]): Promise<unknown> =>
      ask(async (runtime) => {
        const there = of(stubOf(runtime)) as Methods;
        return await there[name]?.(...args);
      });
    return Object.fromEntries(names.map((name) => [name, (...args: readonly unknown[]) => call(name, args)]));
  };
  return {
    ...late(handlers, (stub) => stub),
    safe: late(handlers, (stub) => stub.safe),
    alarms: late(alarmMethods, (stub) => stub.alarms),
  } as unknown as Stub<Definition>;
}
