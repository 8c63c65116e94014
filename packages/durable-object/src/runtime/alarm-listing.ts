/** Alarms as an application sees them. */

import type { AlarmRule } from "../alarms/alarm-rule.ts";
import type { AlarmListing } from "../object/stub.ts";
import type { StoredAlarm } from "../ports/object-store.ts";

/** An alarm as an application sees it. */
export function alarmListing(alarm: StoredAlarm): AlarmListing {
  const { name, dueAt, payload, rule, generation, status, attempts, lastError } = alarm;
  const { every, cron, timeZone } = rule === null ? ({} as AlarmRule) : (JSON.parse(rule) as AlarmRule);
  return {
    name,
    at: new Date(dueAt),
    payload: payload === null ? undefined : (JSON.parse(payload) as unknown),
    generation,
    status,
    attempts,
    lastError,
    ...(every === undefined ? {} : { every }),
    ...(cron === undefined ? {} : { cron }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
}
