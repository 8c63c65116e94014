/** The alarms of a whole runtime: finding dead ones and trying them again. */

import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { AlarmListing } from "../object/stub.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import { alarmListing } from "./alarm-listing.ts";
import type { TenantOption } from "./object-page.ts";

/** Which page of dead alarms to get. */
export interface DeadAlarmOptions extends TenantOption {
  /** At most this many, 1 to 1,000. Default 100. */
  readonly limit?: number;
  /** Continues after this alarm: the last one of the page before. */
  readonly after?: { readonly id: string; readonly name: string };
}

/** A dead alarm, with the object it belongs to. */
export interface DeadAlarm extends AlarmListing {
  readonly id: string;
  readonly tenant: string;
}

/** The alarms of a whole runtime. */
export interface RuntimeAlarms {
  /** The dead alarms of a type, ordered by id and name: they failed too often and wait for somebody to look. */
  dead(definition: AnyDefinition | string, options?: DeadAlarmOptions): Promise<readonly DeadAlarm[]>;
  /** Has a dead alarm fire again, at once and with no attempts counted. Resolves to whether it was dead. */
  redrive(definition: AnyDefinition | string, id: string, name: string, options?: TenantOption): Promise<boolean>;
}

/** The limit of a page of dead alarms, checked. */
export function checkedLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  const problem = `alarms.dead: limit must be a whole number from 1 to 1000, not ${JSON.stringify(limit)}.`;
  throw new DurableObjectError("INVALID_OPTION", problem);
}

/** A dead alarm as an application sees it. */
export function deadAlarm(alarm: AddressedAlarm): DeadAlarm {
  return { ...alarmListing(alarm), id: alarm.address.id, tenant: alarm.address.tenant };
}
