/**
 * Calls and turns on their way past whoever follows them: the instrumentation of the runtime, and those who listen to
 * `durable-object:turn`. Where there is neither, this is a comparison at each point.
 */

import type { Environment } from "../core/environment.ts";
import type { Instrumentation, ObservedTurn } from "../ports/instrumentation.ts";
import { turns, type TurnContext } from "../telemetry/channels.ts";
import type { Call } from "./call.ts";
import { fire, type FiringHost } from "./fire.ts";
import type { Conclusion, Turn } from "./turn.ts";

/** What following needs of the node. */
export interface FollowedHost extends FiringHost {
  /** Who follows calls; null for nobody. */
  readonly instrumentation: Instrumentation | null;
}

/** Has the call followed on its caller's side. */
export function observeCall(instrumentation: Instrumentation, call: Call): void {
  const { address, operation } = call;
  call.observed = instrumentation.call({ address, handler: operation.name });
  call.trace = call.observed.trace;
}

/** A call waits for its turn from now on, if it does not do so already. */
export function beginWaiting(call: Call, { instrumentation, environment }: FollowedHost): void {
  if (instrumentation !== null || turns.isHeard) call.waitsSinceMs ??= environment.monotonic();
}

/** Runs the turn of a call, or of an alarm. */
export function runTurn(call: Call, turn: Turn, host: FollowedHost): Conclusion | Promise<Conclusion> {
  const { instrumentation } = host;
  if (instrumentation === null && !turns.isHeard) return run(call, turn, host);
  const waitMs = call.waitsSinceMs === null ? 0 : Math.max(0, host.environment.monotonic() - call.waitsSinceMs);
  const context = turns.isHeard ? begin(call, waitMs, host.environment) : null;
  const observed = instrumentation === null ? null : observe(instrumentation, call, waitMs);
  if (observed !== null) {
    call.served = observed;
    turn.trace = observed.trace;
  }
  const work = (): Conclusion | Promise<Conclusion> => run(call, turn, host);
  const conclusion = observed === null ? work() : observed.run(work);
  const handled = (concluded: Conclusion): Conclusion => {
    const error = concluded.ok ? (call.firing?.fault ?? null) : concluded.error;
    observed?.handled(error);
    if (context !== null) end(context, error, host.environment);
    return concluded;
  };
  return conclusion instanceof Promise ? conclusion.then(handled) : handled(conclusion);
}

function run(call: Call, turn: Turn, host: FiringHost): Conclusion | Promise<Conclusion> {
  return call.firing === null ? turn.run(call.args) : fire(turn, call.firing, host);
}

function observe(instrumentation: Instrumentation, call: Call, waitMs: number): ObservedTurn {
  const { address, operation, firing } = call;
  return instrumentation.turn({
    address,
    handler: firing?.alarm.name ?? operation.name,
    trace: firing === null ? call.trace : (firing.rule?.trace ?? null),
    waitMs,
    attempt: firing === null ? null : firing.attempts + 1,
  });
}

function begin(
  { address, operation, firing, isFromNode }: Call,
  waitMs: number,
  environment: Environment,
): TurnContext {
  const { tenant, type, id } = address;
  const from = firing !== null ? "alarm" : isFromNode ? "node" : "caller";
  const handler = firing?.alarm.name ?? operation.name;
  const context: TurnContext = { tenant, type, id, handler, from, waitMs, systemTimeMs: environment.now() };
  turns.start(context);
  return context;
}

function end(context: TurnContext, error: Error | null, environment: Environment): void {
  if (error === null) turns.stop(context, environment.now());
  else turns.fail(context, environment.now(), error);
}

/** The turn of a call is over, the commit of what it came to included. */
export function endObserved(call: Call, error: Error | null): void {
  const { served, write } = call;
  if (served === null) return;
  // What was lost is answered when it is lost, and again when its handler comes to an end.
  call.served = null;
  served.end(error ?? call.failure ?? call.firing?.fault ?? null, write);
}
