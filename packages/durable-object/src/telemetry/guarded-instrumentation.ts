/** An instrumentation whose failures harm nobody: what it throws is told once as a warning, and the call goes on. */

import { messageOf } from "../core/errors.ts";
import type { Instrumentation, ObservedCall, ObservedTurn } from "../ports/instrumentation.ts";
import { publishWarning } from "./channels.ts";

const unobservedCall: ObservedCall = { trace: null, end(): void {} };
const unobservedTurn: ObservedTurn = {
  trace: null,
  run: (work) => work(),
  handled(): void {},
  end(): void {},
};

/** Wraps an instrumentation. */
export function guardInstrumentation(inner: Instrumentation): Instrumentation {
  let isTold = false;
  const guard = <Result>(tell: () => Result, otherwise: Result): Result => {
    try {
      return tell();
    } catch (error) {
      if (!isTold) {
        const message = `The instrumentation threw, which is told once and dropped from now on: ${messageOf(error)}`;
        publishWarning({ warning: "instrumentation-failed", message, cause: error });
      }
      isTold = true;
      return otherwise;
    }
  };
  const call = (observed: ObservedCall): ObservedCall => ({
    trace: observed.trace,
    end: (error) => guard(() => observed.end(error), undefined),
  });
  const turn = (observed: ObservedTurn): ObservedTurn => ({
    trace: observed.trace,
    run: (work) => runGuarded(observed, work),
    handled: (error) => guard(() => observed.handled(error), undefined),
    end: (error, commit) => guard(() => observed.end(error, commit), undefined),
  });
  return {
    attach: () => {
      const detach = guard(
        () => inner.attach(),
        () => {},
      );
      return () => guard(detach, undefined);
    },
    call: (begun) => guard(() => call(inner.call(begun)), unobservedCall),
    turn: (begun) => guard(() => turn(inner.turn(begun)), unobservedTurn),
  };
}

/** The handler runs once, also where the context it should run in cannot be made; and what it throws is its own. */
function runGuarded<Result>(observed: ObservedTurn, work: () => Result): Result {
  let outcome: { readonly value: Result } | { readonly thrown: unknown } | null = null;
  const once = (): Result => {
    try {
      const value = work();
      outcome = { value };
      return value;
    } catch (thrown) {
      outcome = { thrown };
      throw thrown;
    }
  };
  const ran = (): typeof outcome => outcome;
  try {
    return observed.run(once);
  } catch {
    const known = ran();
    if (known === null) return work();
    if ("thrown" in known) throw known.thrown;
    return known.value;
  }
}
