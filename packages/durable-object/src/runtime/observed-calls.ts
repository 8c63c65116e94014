/** Calls and turns on their way past an instrumentation, where there is one. */

import type { Environment } from "../core/environment.ts";
import type { Instrumentation } from "../ports/instrumentation.ts";
import type { Call } from "./call.ts";
import type { Conclusion, Turn } from "./turn.ts";

/** Has the call followed on its caller's side. */
export function observeCall(instrumentation: Instrumentation, call: Call): void {
  const { address, operation } = call;
  call.observed = instrumentation.call({ address, handler: operation.name });
  call.trace = call.observed.trace;
}

/** Runs a turn in the context of its caller, or linked to whoever set its alarm. */
export function runObserved(
  instrumentation: Instrumentation,
  call: Call,
  turn: Turn,
  environment: Environment,
  run: () => Conclusion | Promise<Conclusion>,
): Conclusion | Promise<Conclusion> {
  const { address, operation, firing } = call;
  const observed = instrumentation.turn({
    address,
    handler: firing?.alarm.name ?? operation.name,
    trace: firing === null ? call.trace : (firing.rule?.trace ?? null),
    waitedMs: call.acceptedAtMs === null ? 0 : Math.max(0, environment.monotonic() - call.acceptedAtMs),
    alarm: firing === null ? null : { attempt: firing.attempts + 1, lagMs: environment.now() - firing.alarm.dueAt },
  });
  call.served = observed;
  turn.trace = observed.trace;
  const conclusion = observed.run(run);
  const handled = (concluded: Conclusion): Conclusion => {
    observed.handled(concluded.ok ? (firing?.error ?? null) : concluded.error);
    return concluded;
  };
  return conclusion instanceof Promise ? conclusion.then(handled) : handled(conclusion);
}

/** The turn of a call is over, the commit of what it came to included. */
export function endObserved(call: Call, error: Error | null): void {
  const { served } = call;
  if (served === null) return;
  // What was lost is answered when it is lost, and again when its handler comes to an end.
  call.served = null;
  served.end(error ?? call.failure ?? call.firing?.error ?? null, call.write !== null);
}
