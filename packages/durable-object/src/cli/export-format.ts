/**
 * The lines of an export: the first one says what it is, each further one is an object with its alarms, and the last
 * one that nothing is missing. `import` reads what `export` wrote, of any store.
 */

import { ruleProblem } from "./row-problem.ts";
import { shownValue } from "./stored-json.ts";
import { checkAddress } from "../runtime/definition-table.ts";
import { typeProblem, type Address } from "../core/address.ts";
import { messageOf } from "../core/errors.ts";
import type { AlarmStatus, StoredAlarm } from "../ports/object-store.ts";
import type { InspectedObject } from "../ports/store-inspector.ts";

/** The first line. */
export const firstLine = JSON.stringify({ format: "durable-object-export", version: 1 });
/** The last line. */
export const lastLine = JSON.stringify({ end: true });

/** An alarm of an export. */
export interface ExportedAlarm {
  readonly name: string;
  readonly dueAt: number;
  readonly scheduledAt: number;
  /** JSON texts. */
  readonly payload: string | null;
  readonly rule: string | null;
  readonly attempts: number;
  readonly status: AlarmStatus;
  readonly lastError: string | null;
}

/** An object of an export. */
export interface ExportedObject {
  readonly address: Address;
  /** JSON text. */
  readonly state: string | null;
  readonly stateVersion: number;
  readonly alarms: readonly ExportedAlarm[];
}

/**
 * The line of an object; null if something of it is no JSON, which nobody could read again.
 *
 * @param object - null if there are only alarms
 */
export function exportedLine(
  address: Address,
  object: InspectedObject | null,
  alarms: readonly StoredAlarm[],
): string | null {
  try {
    return JSON.stringify({
      ...address,
      state: parsed(object?.state ?? null),
      stateVersion: object?.stateVersion ?? 1,
      revision: object?.revision ?? 0,
      createdAt: object?.createdAt ?? null,
      updatedAt: object?.updatedAt ?? null,
      alarms: alarms.map(({ name, dueAt, scheduledAt, payload, rule, attempts, status, lastError }) => ({
        name,
        dueAt,
        scheduledAt,
        // A payload may be null itself, so none is none.
        ...(payload === null ? {} : { payload: parsed(payload) }),
        rule: parsed(rule),
        attempts,
        status,
        lastError,
      })),
    });
  } catch {
    return null;
  }
}

function parsed(text: string | null): unknown {
  return text === null ? null : (JSON.parse(text) as unknown);
}

/** What a line of an export is. */
export type ExportLine =
  | { readonly kind: "first" }
  | { readonly kind: "last" }
  | { readonly kind: "object"; readonly object: ExportedObject };

/**
 * Reads a line.
 *
 * @param number - from 1
 * @throws {@link WrongLine}
 */
export function readLine(text: string, number: number): ExportLine {
  const value = shownValue(text);
  if (!isRecord(value)) throw new WrongLine("it is not a JSON object");
  const { format, version, end } = value;
  if (format !== undefined) {
    if (format !== "durable-object-export") throw new WrongLine(`the format ${JSON.stringify(format)} is not known`);
    if (version !== 1) throw new WrongLine(`version ${JSON.stringify(version)} of the format is not known, only 1 is`);
    if (number > 1) throw new WrongLine("another export begins here; import them one by one");
    return { kind: "first" };
  }
  if (number === 1) throw new WrongLine(`it must say what this is: ${firstLine}`);
  if (end === true) return { kind: "last" };
  return { kind: "object", object: readObject(value) };
}

/** Why a line cannot be imported; the message says no more than what is wrong. */
export class WrongLine extends Error {}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readObject(value: Fields): ExportedObject {
  const { tenant = "", type, id, state = null, stateVersion = 1, alarms = [] } = value;
  if (typeof type !== "string") throw new WrongLine("type must be a text");
  if (typeof id !== "string") throw new WrongLine("id must be a text");
  if (typeof tenant !== "string") throw new WrongLine("tenant must be a text");
  const problem = typeProblem(type);
  if (problem !== null) throw new WrongLine(problem);
  let address: Address;
  try {
    address = checkAddress(type, id, tenant);
  } catch (error) {
    throw new WrongLine(messageOf(error));
  }
  if (state !== null && typeof state !== "object") throw new WrongLine("state must be a JSON object, or null");
  if (!isCount(stateVersion) || stateVersion < 1) throw new WrongLine("stateVersion must be a whole number from 1");
  if (!Array.isArray(alarms)) throw new WrongLine("alarms must be a list");
  const read = alarms.map((alarm, index) => readAlarm(alarm, `alarms[${index}]`));
  if (new Set(read.map(({ name }) => name)).size < read.length) throw new WrongLine("two alarms have the same name");
  return { address, state: state === null ? null : JSON.stringify(state), stateVersion, alarms: read };
}

function readAlarm(value: unknown, where: string): ExportedAlarm {
  if (!isRecord(value)) throw new WrongLine(`${where} must be a JSON object`);
  const {
    name,
    dueAt,
    scheduledAt = dueAt,
    payload,
    rule = null,
    attempts = 0,
    status = "set",
    lastError = null,
  } = value;
  if (typeof name !== "string" || name === "") throw new WrongLine(`${where}.name must be a text`);
  if (!isTime(dueAt)) throw new WrongLine(`${where}.dueAt must be a whole number of ms since 1970`);
  if (!isTime(scheduledAt)) throw new WrongLine(`${where}.scheduledAt must be a whole number of ms since 1970`);
  if (!isCount(attempts)) throw new WrongLine(`${where}.attempts must be a whole number from 0`);
  if (status !== "set" && status !== "dead") throw new WrongLine(`${where}.status must be "set" or "dead"`);
  if (lastError !== null && typeof lastError !== "string") throw new WrongLine(`${where}.lastError must be a text`);
  const ruleText = rule === null ? null : JSON.stringify(rule);
  const wrong = ruleText === null ? null : ruleProblem(ruleText, dueAt);
  if (wrong !== null) throw new WrongLine(`${where}.rule cannot be used: ${wrong}`);
  const payloadText = payload === undefined ? null : JSON.stringify(payload);
  return { name, dueAt, scheduledAt, payload: payloadText, rule: ruleText, attempts, status, lastError };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15;
}
