/** A stub that finds its runtime anew at each call: it outlives the runtime it was made on. */

import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub } from "../object/stub.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Has something asked of whichever runtime is there. */
export type Ask = <Answer>(what: (runtime: Runtime) => Promise<Answer>) => Promise<Answer>;

type Methods = Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;

/**
 * A stub whose every method is called on the stub of the runtime that is there then.
 *
 * @param stubOf - the stub that a runtime would give
 */
export function lateStub<Definition extends AnyDefinition>(
  ask: Ask,
  stubOf: (runtime: Runtime) => Stub<Definition>,
): Stub<Definition> {
  const methods = (of: (stub: Stub<Definition>) => unknown): Methods => {
    const call = (name: string, args: readonly unknown[]): Promise<unknown> =>
      ask(async (runtime) => {
        const there = of(stubOf(runtime)) as Methods;
        const method = there[name];
        if (method === undefined) throw new TypeError(`There is no handler "${name}".`);
        return await method.apply(there, [...args]);
      });
    // A promise that resolves to a stub must not take it for a promise.
    const get = (_target: object, name: string | symbol): unknown =>
      typeof name !== "string" || name === "then" ? undefined : (...args: readonly unknown[]) => call(name, args);
    return new Proxy<Methods>({}, { get });
  };
  const handlers = methods((stub) => stub);
  const parts: Readonly<Record<string | symbol, unknown>> = {
    alarms: methods((stub) => stub.alarms),
    safe: methods((stub) => stub.safe),
  };
  return new Proxy(handlers, {
    get: (target, name) => parts[name] ?? (Reflect.get(target, name) as unknown),
  }) as unknown as Stub<Definition>;
}
