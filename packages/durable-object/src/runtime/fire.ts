/**
 * Firing an alarm: the turn of its handler, with what becomes of the alarm as one of its effects. So state,
 * effects and the acknowledgement are one commit. A handler that schedules its own name again keeps the
 * new setting, and one that cancels it has cancelled it: its effects come after the acknowledgement.
 */

import type { RetryPolicy } from "../alarms/alarm-rule.ts";
import type { Firing } from "../alarms/firing.ts";
import type { Environment } from "../core/environment.ts";
import type { AlarmChange } from "../ports/object-store.ts";
import { alarmFirings, type AlarmContextMessage } from "../telemetry/channels.ts";
import { noreply } from "../object/outcome.ts";
import type { Operation } from "./operation.ts";
import type { Conclusion, Turn } from "./turn.ts";

/** What an alarm does whose handler the definition does not have (any more). */
export const missingAlarmHandler: Operation = {
  name: "alarm without a handler",
  isRead: false,
  isSystem: true,
  schema: null,
  pace: "sync",
  run: () => noreply(),
};

type Attempted = Extract<AlarmChange, { readonly change: "attempted" }>;

/** What firing needs of the node. */
export interface FiringHost {
  readonly environment: Environment;
  readonly alarmRetry: RetryPolicy;
}

/** Runs the handler of an alarm. The conclusion is always one to be written, unless the turn is lost. */
export function fire(turn: Turn, firing: Firing, host: FiringHost): Conclusion | Promise<Conclusion> {
  const { environment, alarmRetry } = host;
  const instead = firing.instead(environment.now(), environment.random(), alarmRetry);
  if (instead !== null) {
    if (instead.change === "attempted") tellFailed(firing, instead, environment);
    return only(turn, instead);
  }
  const context = begin(firing, environment);
  const settle = (conclusion: Conclusion): Conclusion => {
    const nowMs = environment.now();
    if (conclusion.ok) {
      const handled = firing.handled(nowMs);
      end(context, handled, nowMs, null);
      return { ...conclusion, value: undefined, effects: [handled, ...conclusion.effects] };
    }
    firing.error = conclusion.error;
    firing.fault = conclusion.error;
    const failed = firing.failed(conclusion.error.message, nowMs, environment.random(), alarmRetry);
    end(context, failed, nowMs, conclusion.error);
    return only(turn, failed);
  };
  const conclusion = turn.run([]);
  return conclusion instanceof Promise ? conclusion.then(settle) : settle(conclusion);
}

/** The state stays as it is, and only the alarm changes. */
function only(turn: Turn, change: AlarmChange): Conclusion {
  return { ok: true, value: undefined, head: turn.base, effects: [change] };
}

/** An attempt that counts without its handler having run now: its process died, or what it returned was refused. */
function tellFailed(firing: Firing, change: Attempted, environment: Environment): void {
  const error = firing.error ?? Object.assign(new Error(change.lastError ?? ""), { name: "ProcessDied" });
  firing.fault = error;
  end(begin(firing, environment), change, environment.now(), error);
}

function becomes(change: AlarmChange): NonNullable<AlarmContextMessage["becomes"]> {
  if (change.change === "attempted") return change.status === "dead" ? "dead" : "retry";
  return change.change === "set" ? "repeat" : "done";
}

function end(context: AlarmContextMessage | null, change: AlarmChange, nowMs: number, error: Error | null): void {
  if (context === null) return;
  context.becomes = becomes(change);
  if (error === null) alarmFirings.stop(context, nowMs);
  else alarmFirings.fail(context, nowMs, error);
}

function begin(firing: Firing, environment: Environment): AlarmContextMessage | null {
  if (!alarmFirings.isHeard) return null;
  const { address, name, dueAt } = firing.alarm;
  const { tenant, type, id } = address;
  const systemTimeMs = environment.now();
  const context = {
    tenant,
    type,
    id,
    alarm: name,
    attempt: firing.attempts + 1,
    lagMs: systemTimeMs - dueAt,
    systemTimeMs,
  };
  alarmFirings.start(context);
  return context;
}
