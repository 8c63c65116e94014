/** What is wrong with one stored row, as this code would find out when it meets it. */

import { nextOccurrence, ruleOf, WrongRule } from "../alarms/alarm-rule.ts";
import { formatAddress } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { StateCodec } from "../object/state-codec.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { InspectedObject } from "../ports/store-inspector.ts";
import { reviveState } from "../runtime/object-state.ts";

/** Something that is wrong with a stored row. */
export interface RowProblem {
  /** A warning loses nothing and stops nothing: what nobody knows waits. */
  readonly level: "error" | "warning";
  readonly code: string;
  readonly object: string;
  readonly problem: string;
}

/** What is wrong with an object; null if it loads and could be saved. */
export function objectProblem(
  { address, state, stateVersion }: InspectedObject,
  codec: StateCodec,
  maxStateBytes: number,
): RowProblem | null {
  if (state === null) return null;
  const object = formatAddress(address);
  let stored: unknown;
  try {
    ({ stored } = reviveState(address, codec, state, stateVersion, false));
  } catch (error) {
    const code = error instanceof DurableObjectError ? error.code : "STATE_UNREADABLE";
    return { level: "error", code, object, problem: messageOf(error).replace(`${object}: `, "") };
  }
  // As it would be saved, which is not always as it is stored: defaults are filled in, and databases space JSON out.
  const bytes = Buffer.byteLength(JSON.stringify(stored));
  if (bytes <= maxStateBytes) return null;
  const problem = `it has ${bytes} bytes, and maxStateBytes is ${maxStateBytes}: it would load, and no change could be saved`;
  return { level: "error", code: "STATE_TOO_LARGE", object, problem };
}

/** What is wrong with an alarm. */
export function alarmProblems(
  { address, name, rule, payload, dueAt }: AddressedAlarm,
  isHandled: boolean,
): readonly RowProblem[] {
  const object = `${formatAddress(address)} alarm "${name}"`;
  const problems: RowProblem[] = [];
  if (!isHandled) {
    const problem = "the definition has no handler for it: when it fires it is acknowledged, and is gone";
    problems.push({ level: "warning", code: "UNKNOWN_ALARM", object, problem });
  }
  const wrong = rule === null ? null : ruleProblem(rule, dueAt);
  if (wrong !== null) {
    problems.push({
      level: "error",
      code: "INVALID_RULE",
      object,
      problem: `its rule ${rule} cannot be used: ${wrong}`,
    });
  }
  try {
    if (payload !== null) JSON.parse(payload);
  } catch (error) {
    const problem = `its payload is no JSON: ${messageOf(error)}`;
    problems.push({ level: "error", code: "INVALID_PAYLOAD", object, problem });
  }
  return problems;
}

/** Why a rule cannot be used; null if it can. */
export function ruleProblem(text: string, dueAt: number): string | null {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "it is not a JSON object";
    const rule = ruleOf(value);
    if (rule !== null) nextOccurrence(rule, dueAt, dueAt);
    return null;
  } catch (error) {
    return error instanceof WrongRule ? error.problem : messageOf(error);
  }
}
