/** What an activation needs of its node. */

import type { RetryPolicy } from "../alarms/alarm-rule.ts";
import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { Instrumentation } from "../ports/instrumentation.ts";
import type { OpenObjectStore, StoredObject } from "../ports/object-store.ts";
import type { AlarmsChanged } from "../ports/scheduler.ts";
import type { Call } from "./call.ts";
import type { ObjectType } from "./operation.ts";
import type { PendingWrite } from "./pending-write.ts";
import type { Turn } from "./turn.ts";

/** An activation that has left, as far as its node has to know it. */
export interface LeftActivation {
  readonly address: Address;
  readonly type: ObjectType;
  readonly slot: number;
}

/** What an activation needs of its node. */
export interface ActivationHost {
  readonly environment: Environment;
  readonly store: OpenObjectStore;
  /** How many calls may wait for one object. */
  readonly mailboxLimit: number;
  readonly freezeState: boolean;
  /** Who follows calls; null for nobody. */
  readonly instrumentation: Instrumentation | null;
  /** The slot of an object, as far as it matters. */
  slotOf(address: Address): number;
  /** Whether the objects of a slot leave as soon as nothing is going on: the node is stopping, or gives it away. */
  isLeaving(slot: number): boolean;
  load(address: Address): Promise<StoredObject | null>;
  /** Tells once whether a lease that is over was renewed, soon or after a while. */
  whenLeased(tell: (isLeased: boolean) => void): void;
  /** An object is active. */
  awake(): void;
  /** A commit has changed alarms. */
  alarmsChanged(alarms: AlarmsChanged): void;
  /** How failing alarms are retried, where they do not say. */
  readonly alarmRetry: RetryPolicy;
  /** Has a write committed; its activation hears of it by `committed`, `rejected` or `stale`. */
  commit(write: PendingWrite): void;
  stub<Definition extends AnyDefinition>(
    turn: Turn,
    definition: Definition,
    id: string,
    options: StubOptions | undefined,
  ): Stub<Definition>;
  /** The activation has left; `waiting` are the calls it did not get to. */
  left(activation: LeftActivation, waiting: readonly Call[]): void;
}
