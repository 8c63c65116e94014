/** `alarms`: what will fire, and what has failed too often. */

import type { Command } from "commander";
import type { AddressedAlarm } from "../ports/object-store.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { inspecting } from "./inspection.ts";
import { positiveNumber } from "./option-value.ts";
import type { Shell } from "./shell.ts";
import { shownValue } from "./stored-json.ts";
import { lineText, table, timeText } from "./table.ts";

interface AlarmsOptions extends WhichStore {
  readonly tenant?: string;
  readonly dead?: boolean;
  readonly limit: number;
}

export function addAlarms(program: Command, shell: Shell): void {
  const command = program
    .command("alarms")
    .description("list alarms, of all objects, of a type, or of one object; also while the application runs")
    .argument("[type]")
    .argument("[id]")
    .option("--tenant <tenant>", "only this tenant's")
    .option("--dead", "only those that failed too often and wait for `redrive`")
    .option("--limit <count>", "at most this many", positiveNumber, 50)
    .action(async (type: string | undefined, id: string | undefined, options: AlarmsOptions) => {
      await listAlarms(shell, type ?? null, id ?? null, options);
    });
  withStoreOptions(command);
}

async function listAlarms(
  shell: Shell,
  type: string | null,
  id: string | null,
  { tenant, dead, limit, ...which }: AlarmsOptions,
): Promise<void> {
  await inspecting(shell, which, async (inspector) => {
    const status = dead === true ? "dead" : null;
    const found = await inspector.alarms({ tenant: tenant ?? null, type, id, status, after: null, limit: limit + 1 });
    const alarms = found.slice(0, limit);
    shell.result({ alarms: alarms.map(shownAlarm), more: found.length > limit }, () =>
      alarms.length === 0 ? (dead === true ? "No dead alarms." : "No alarms.") : alarmsTable(alarms),
    );
    if (found.length > limit) shell.note(`There are more than ${limit}: --limit.`);
  });
}

/** An alarm as `--json` shows it. */
export function shownAlarm({
  address,
  name,
  dueAt,
  status,
  attempts,
  lastError,
  payload,
  rule,
}: AddressedAlarm): object {
  return {
    ...address,
    name,
    dueAt: timeText(dueAt),
    status,
    attempts,
    lastError,
    payload: shownValue(payload),
    rule: shownValue(rule),
  };
}

/** Alarms in words. */
export function alarmsTable(alarms: readonly AddressedAlarm[]): string {
  const rows = alarms.map(({ address: { tenant, type, id }, name, dueAt, status, attempts, rule, lastError }) => [
    name,
    `${type}/${id}${tenant === "" ? "" : ` (${tenant})`}`,
    timeText(dueAt),
    status === "dead" ? "dead" : repeats(rule),
    `${attempts}`,
    lineText(lastError ?? ""),
  ]);
  return table(["ALARM", "OBJECT", "DUE", "KIND", "ATTEMPTS", "LAST ERROR"], rows);
}

function repeats(rule: string | null): string {
  const value = shownValue(rule);
  if (typeof value !== "object" || value === null) return value === null ? "once" : "unreadable";
  const { every, cron } = value as { readonly every?: number | string; readonly cron?: string };
  if (cron !== undefined) return `cron ${cron}`;
  if (every === undefined) return "once";
  return typeof every === "number" ? `every ${every} ms` : `every ${every}`;
}
