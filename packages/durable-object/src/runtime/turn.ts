/**
 * A turn: running one operation to its end on one state.
 *
 * The turn is the context that the handler sees. What the handler returns is read into a conclusion: a
 * result, perhaps a next state that was found fit to be stored, and effects; or an error, and then nothing
 * has happened. The turn changes nothing itself: the activation applies the conclusion.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { formatAddress, type Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf, type ErrorCode, type ErrorDetails } from "../core/errors.ts";
import { copyJson, NotJson } from "../core/json.ts";
import { preview } from "../core/preview.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Effect } from "../object/effect.ts";
import type { Context } from "../object/handler.ts";
import { outcomeKind, readOutcome, type AnyOutcome } from "../object/outcome.ts";
import { formatIssues, type Schema, type SchemaResult } from "../object/schema.ts";
import { Unstorable, type AdmittedState } from "../object/state-codec.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { StoredAlarm } from "../ports/object-store.ts";
import type { Firing } from "../alarms/firing.ts";
import type { ChainLink } from "./call-chain.ts";
import type { ObjectType, Operation, OperationContext } from "./operation.ts";
import type { PendingWrite } from "./pending-write.ts";
import { checkEffect, isStatement, WrongEffect, type TurnEffect } from "./turn-effect.ts";

/** The object a turn runs on, as far as a turn knows it. */
export interface TurnObject {
  readonly address: Address;
  readonly type: ObjectType;
  readonly host: {
    readonly environment: Environment;
    readonly store: { listAlarms(address: Address): Promise<readonly StoredAlarm[]> };
    stub<Definition extends AnyDefinition>(
      turn: Turn,
      definition: Definition,
      id: string,
      options: StubOptions | undefined,
    ): Stub<Definition>;
  };
  /** Finds a next state fit to be stored, or throws. */
  admit(base: AdmittedState, next: unknown): AdmittedState;
  beginToLeave(): void;
}

/** What a turn came to. */
export type Conclusion =
  | {
      readonly ok: true;
      readonly value: unknown;
      readonly head: AdmittedState;
      readonly effects: readonly TurnEffect[];
    }
  | { readonly ok: false; readonly error: DurableObjectError };

const noEffects: readonly TurnEffect[] = Object.freeze([]);

/** The turn whose handler is running right now, in this very call stack. */
let runningTurn: Turn | null = null;
/** The turn to which the current asynchronous continuation belongs. */
const asyncTurn = new AsyncLocalStorage<Turn>();

/** The turn that is making a call, or null outside of any handler. */
export function currentTurn(): Turn | null {
  return runningTurn ?? asyncTurn.getStore() ?? null;
}

/** Running one operation to its end on one state. */
export class Turn implements Context<unknown>, OperationContext, ChainLink {
  readonly operation: Operation;
  /** The turn whose handler made the call, or null. */
  readonly caller: ChainLink | null;
  /** The deadline of the call in monotonic ms; calls made from here end with it. */
  readonly deadline: number;
  /** The state this turn starts from. */
  readonly base: AdmittedState;
  /** The write that carries the state this turn saw, if that was not durable when it started. */
  readonly basis: PendingWrite | null;
  /** Set when the state this turn saw was lost: its conclusion counts for nothing. */
  lost: DurableObjectError | null = null;
  over = false;
  /** The context of this turn as a text, if somebody follows calls. */
  trace: string | null = null;
  readonly #object: TurnObject;
  readonly #firing: Firing | null;
  #now: number | null = null;
  #controller: AbortController | null = null;
  #aborted: DurableObjectError | null = null;
  #get: Context<unknown>["get"] | null = null;

  constructor(
    object: TurnObject,
    operation: Operation,
    caller: ChainLink | null,
    deadline: number,
    base: AdmittedState,
    basis: PendingWrite | null,
    firing: Firing | null = null,
  ) {
    this.#object = object;
    this.operation = operation;
    this.caller = caller;
    this.deadline = deadline;
    this.base = base;
    this.basis = basis;
    this.#firing = firing;
  }

  get state(): Readonly<unknown> {
    return this.base.state as Readonly<unknown>;
  }

  get id(): string {
    return this.#object.address.id;
  }

  get tenant(): string {
    return this.#object.address.tenant;
  }

  get type(): string {
    return this.#object.address.type;
  }

  get now(): number {
    return (this.#now ??= this.#object.host.environment.now());
  }

  get address(): Address {
    return this.#object.address;
  }

  // What an alarm's handler sees besides.

  get attempt(): number {
    return (this.#firing?.attempts ?? 0) + 1;
  }

  get payload(): unknown {
    const text = this.#firing?.alarm.payload ?? null;
    return text === null ? undefined : (JSON.parse(text) as unknown);
  }

  get scheduledAt(): Date | undefined {
    return this.#firing === null ? undefined : new Date(this.#firing.alarm.scheduledAt);
  }

  get firingId(): string | undefined {
    return this.#firing?.id;
  }

  get isActivating(): boolean {
    return this.operation === this.#object.type.afterLoad;
  }

  /** Made when it is asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted !== null) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /** A property, so that handlers can take it out of the context. */
  get get(): Context<unknown>["get"] {
    return (this.#get ??= <Definition extends AnyDefinition>(
      definition: Definition,
      id: string,
      options?: StubOptions,
    ): Stub<Definition> => this.#object.host.stub(this, definition, id, options));
  }

  storedAlarms(): Promise<readonly StoredAlarm[]> {
    return this.#object.host.store.listAlarms(this.address);
  }

  leave(): void {
    this.#object.beginToLeave();
  }

  abort(error: DurableObjectError): void {
    this.#aborted ??= error;
    this.#controller?.abort(error);
  }

  /**
   * Checks the arguments and runs the handler. Returns the conclusion, or a promise of it if either is
   * asynchronous. Never throws and never rejects.
   */
  run(args: readonly unknown[]): Conclusion | Promise<Conclusion> {
    if (this.operation.schema === null) return this.#runHandler(args);
    const checked = this.#checkArguments(this.operation.schema, args);
    if (checked instanceof Promise) return checked.then((result) => this.#runChecked(result));
    return this.#runChecked(checked);
  }

  #runChecked(checked: Checked): Conclusion | Promise<Conclusion> {
    return "error" in checked ? { ok: false, error: checked.error } : this.#runHandler(checked.args);
  }

  #runHandler(args: readonly unknown[]): Conclusion | Promise<Conclusion> {
    const { operation } = this;
    const outer = runningTurn;
    runningTurn = this;
    try {
      const returned =
        operation.pace === "sync" ? operation.run(this, args) : asyncTurn.run(this, operation.run, this, args);
      if (isThenable(returned)) {
        operation.pace = "async";
        return Promise.resolve(returned).then(
          (outcome) => this.#conclude(outcome),
          (thrown: unknown) => this.#crashed(thrown),
        );
      }
      if (operation.pace === "unproven") operation.pace = "sync";
      return this.#conclude(returned);
    } catch (thrown) {
      return this.#crashed(thrown);
    } finally {
      runningTurn = outer;
    }
  }

  #checkArguments(schema: Schema, args: readonly unknown[]): Checked | Promise<Checked> {
    const fits = (result: SchemaResult): Checked =>
      result.issues === undefined
        ? { args: result.value as readonly unknown[] }
        : {
            error: this.#error(
              "INVALID_ARGUMENTS",
              `got arguments that do not fit: ${formatIssues(result.issues, "args")}`,
            ),
          };
    const threw = (thrown: unknown): Checked => ({
      error: this.#error("INVALID_ARGUMENTS", `has a schema that threw: ${messageOf(thrown)}`, { cause: thrown }),
    });
    try {
      const result = schema["~standard"].validate(args);
      return result instanceof Promise ? result.then(fits, threw) : fits(result);
    } catch (thrown) {
      return threw(thrown);
    }
  }

  #conclude(returned: unknown): Conclusion | Promise<Conclusion> {
    try {
      return this.#alone(this.#read(returned));
    } catch (thrown) {
      if (thrown instanceof WrongEffect) {
        // What the library's own operations return is what their caller has passed.
        const passed = this.operation.isSystem && thrown.code === "INVALID_OUTCOME";
        return this.#failed(passed ? "INVALID_ARGUMENTS" : thrown.code, thrown.problem);
      }
      if (thrown instanceof DurableObjectError) return { ok: false, error: thrown };
      if (thrown instanceof Unstorable) {
        return this.#failed("INVALID_STATE", `returned a state that cannot be stored: ${thrown.problem}`);
      }
      if (thrown instanceof NotJson) return this.#notJson(thrown);
      return this.#crashed(thrown);
    }
  }

  #read(returned: unknown): Conclusion {
    const outcome = readOutcome(returned);
    if (outcome === null) {
      return this.#failed(
        "INVALID_OUTCOME",
        `returned ${describeReturned(returned)} instead of an outcome. Return reply(result), reply(result, nextState), noreply() or fail(reason)`,
      );
    }
    if (outcome[outcomeKind] === "fail") {
      const reason = copyJson(outcome.value, "reason");
      return this.#failed("HANDLER_FAILED", `failed: ${preview(reason)}`, { reason });
    }
    const value = copyJson(outcome.value, "result");
    const head = this.#nextState(outcome);
    const effects =
      outcome.effects.length === 0 ? noEffects : outcome.effects.map((effect) => this.#checkedEffect(effect));
    return { ok: true, value, head, effects };
  }

  /**
   * A turn with SQL is not over before what it ran on is durable: so its write begins with it, and a
   * statement that fails takes nothing with it that was before.
   */
  #alone(conclusion: Conclusion): Conclusion | Promise<Conclusion> {
    const { basis } = this;
    if (basis === null || !conclusion.ok || !conclusion.effects.some(isStatement)) return conclusion;
    return new Promise((resolve) => {
      basis.whenDurable(
        () => resolve(conclusion),
        (error) => resolve({ ok: false, error }),
      );
    });
  }

  #nextState(outcome: AnyOutcome): AdmittedState {
    if (!outcome.hasNext || outcome.next === this.base.state) return this.base;
    if (outcome.next === undefined) {
      throw this.#error(
        "INVALID_OUTCOME",
        "gave undefined as the next state. Pass `state` to leave it as it is, or leave the argument out",
      );
    }
    if (this.operation.isRead) throw this.#error("INVALID_OUTCOME", "is marked with read() and returned a next state");
    return this.#object.admit(this.base, outcome.next);
  }

  #checkedEffect(effect: Effect): TurnEffect {
    if (this.operation.isRead) throw new WrongEffect("INVALID_OUTCOME", "is marked with read() and returned an effect");
    // A delay counts from the end of the handler, however long it took.
    return checkEffect(effect, this.#object.type.alarms, this.#object.host.environment.now(), this.trace);
  }

  #notJson(problem: NotJson): Conclusion {
    const isState = /^state\b/.test(problem.path);
    return this.#failed(
      isState ? "INVALID_STATE" : "INVALID_RESULT",
      `returned ${isState ? "a state that cannot be stored" : "a value that cannot be sent"}: ${problem.path}: ${problem.problem}`,
    );
  }

  #crashed(thrown: unknown): Conclusion {
    return this.#failed("HANDLER_CRASHED", `threw: ${messageOf(thrown)}`, { cause: thrown });
  }

  #failed(code: ErrorCode, what: string, details?: ErrorDetails): Conclusion {
    return { ok: false, error: this.#error(code, what, details) };
  }

  #error(code: ErrorCode, what: string, details: ErrorDetails = {}): DurableObjectError {
    const { name, isSystem } = this.operation;
    const who = isSystem ? name : `the ${this.#firing === null ? "handler" : "alarm"} "${name}"`;
    return new DurableObjectError(code, `${formatAddress(this.address)}: ${who} ${what}`, {
      address: this.address,
      ...details,
    });
  }
}

/** Arguments that fit, or why they do not. */
type Checked = { readonly args: readonly unknown[] } | { readonly error: DurableObjectError };

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function describeReturned(returned: unknown): string {
  return returned === undefined ? "nothing" : preview(returned);
}
