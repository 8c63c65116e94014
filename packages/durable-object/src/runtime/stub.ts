/**
 * Stubs: the caller's handle on one object. A class for each definition, made once, with a method for each
 * handler; a stub itself is one small object, and asking for one touches neither memory nor store.
 */

import type { Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import { isWhen, type RepeatOptions, type ScheduleOptions, type When } from "../object/effect.ts";
import { alarmListing } from "./alarm-listing.ts";
import type { AlarmListing, AlarmsStub, SafeResult, StubOptions } from "../object/stub.ts";
import type { StoredAlarm } from "../ports/object-store.ts";
import type { ObjectType, Operation } from "./operation.ts";
import type { CallOptions, Router } from "./router.ts";
import { alarmOperations } from "./system-operations.ts";
import type { ChainLink } from "./call-chain.ts";

/** Where the calls of a stub go, and how. */
class Target {
  readonly address: Address;
  readonly type: ObjectType;
  readonly #router: Router;
  readonly #options: CallOptions;

  constructor(router: Router, address: Address, type: ObjectType, options: CallOptions) {
    this.#router = router;
    this.address = address;
    this.type = type;
    this.#options = options;
  }

  call(operation: Operation, args: readonly unknown[]): Promise<unknown> {
    return this.#router.call(this.address, this.type, operation, args, this.#options);
  }
}

const target = Symbol("target");

/** What every stub is made of: methods only, so that no handler's name can collide with a field. */
interface StubInstance {
  readonly [target]: Target;
}
type StubClass = new (target: Target) => StubInstance;

/** Makes stubs of one object type. */
export class StubFactory {
  readonly #type: ObjectType;
  readonly #Stub: StubClass;

  constructor(type: ObjectType) {
    this.#type = type;
    this.#Stub = stubClass(type);
  }

  make(router: Router, address: Address, options: StubOptions | undefined, caller: ChainLink | null): object {
    return new this.#Stub(new Target(router, address, this.#type, router.callOptions(options, caller)));
  }
}

function stubClass(type: ObjectType): StubClass {
  const SafeStub = methodsClass(type, async (operation, args, to): Promise<SafeResult<unknown, unknown>> => {
    try {
      return { ok: true, value: await to.call(operation, args) };
    } catch (error) {
      if (error instanceof DurableObjectError) return { ok: false, error };
      throw error;
    }
  });
  const Stub = methodsClass(type, (operation, args, to) => to.call(operation, args));
  Object.defineProperty(Stub.prototype, "safe", {
    get(this: StubInstance) {
      return new SafeStub(this[target]);
    },
  });
  Object.defineProperty(Stub.prototype, "alarms", {
    get(this: StubInstance) {
      return new Alarms(this[target]);
    },
  });
  return Stub;
}

/** A class with a method for each handler. */
function methodsClass(
  type: ObjectType,
  invoke: (operation: Operation, args: readonly unknown[], to: Target) => Promise<unknown>,
): StubClass {
  class Methods implements StubInstance {
    readonly [target]: Target;

    constructor(to: Target) {
      this[target] = to;
    }
  }
  for (const [name, operation] of type.operations) {
    Object.defineProperty(Methods.prototype, name, {
      value: function (this: StubInstance, ...args: unknown[]) {
        return invoke(operation, args, this[target]);
      },
    });
  }
  return Methods;
}

class Alarms implements AlarmsStub {
  readonly #target: Target;

  constructor(to: Target) {
    this.#target = to;
  }

  async schedule(name: string, when: When | RepeatOptions, options?: ScheduleOptions): Promise<void> {
    // A date crosses the boundary as a number: it is the one argument that is no JSON.
    const at = !isWhen(when) ? null : when instanceof Date ? { at: when.getTime() } : when;
    const given = isWhen(when) ? options : when;
    await this.#target.call(alarmOperations.schedule, given === undefined ? [name, at] : [name, at, given]);
  }

  async cancel(name: string): Promise<boolean> {
    return (await this.#target.call(alarmOperations.cancel, [name])) as boolean;
  }

  async cancelAll(): Promise<void> {
    await this.#target.call(alarmOperations.cancelAll, []);
  }

  async list(): Promise<AlarmListing[]> {
    const alarms = (await this.#target.call(alarmOperations.list, [])) as readonly StoredAlarm[];
    return alarms.map(alarmListing);
  }
}
