/**
 * What a benchmark reports: one JSON object on stdout, a table for people on stderr.
 *
 * The report says under which settings it was measured and what it does not measure. An aim is printed with
 * whether it was reached; a benchmark never fails because a machine is slow.
 */

import { availableParallelism, cpus, totalmem } from "node:os";
import { fileSystem, syncCostMs } from "./scratch.ts";
import type { Settings } from "./settings.ts";

/** A column of the table: where its value is found in a row, and how it is shown. */
export interface Column {
  readonly key: string;
  readonly title: string;
  /** Digits after the point; whole numbers by default. */
  readonly digits?: number;
  /** Put behind the value, for instance `" ×"`. */
  readonly unit?: string;
}

/** A line of the table. What was not measured is null. */
export type Row = Readonly<Record<string, string | number | null>>;

/** What is wanted, and what was measured. */
export interface Aim {
  readonly aim: string;
  readonly measured: number;
  readonly reached: boolean;
}

/** A line of the short table in the README. */
export interface Headline {
  readonly what: string;
  readonly here: string;
  readonly byHand: string;
}

/** What a benchmark has found out. */
export interface Findings {
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly aims: readonly Aim[];
  readonly headlines: readonly Headline[];
}

/** A benchmark: one claim. */
export interface Benchmark {
  readonly name: string;
  /** What is measured, in one sentence. */
  readonly measures: string;
  readonly doesNotMeasure: string;
}

/** The whole report: one JSON object. */
export interface Report extends Benchmark, Findings {
  readonly at: string;
  readonly run: Settings;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** An aim of at least `target`. */
export function atLeast(what: string, target: number, unit: string, measured: number): Aim {
  return { aim: `${what} at least ${shown(target, 1)}${unit}`, measured, reached: measured >= target };
}

/** An aim of at most `target`. */
export function atMost(what: string, target: number, unit: string, measured: number): Aim {
  return { aim: `${what} at most ${shown(target, 1)}${unit}`, measured, reached: measured <= target };
}

/** Reports what was found: JSON on stdout, a table on stderr. */
export function report(benchmark: Benchmark, run: Settings, findings: Findings): void {
  const whole: Report = {
    ...benchmark,
    at: new Date().toISOString(),
    run,
    machine: machine(),
    ...findings,
  };
  process.stdout.write(`${JSON.stringify(whole)}\n`);
  process.stderr.write(`${formatReport(whole)}\n`);
}

function machine(): Readonly<Record<string, string | number>> {
  return {
    node: process.version,
    sqlite: process.versions["sqlite"] ?? "unknown",
    nodeEnv: process.env["NODE_ENV"] ?? "(not set)",
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    fileSystem: fileSystem(),
    syncedWriteMs: Number(syncCostMs().toFixed(3)),
  };
}

/** The report as people read it in a terminal. */
function formatReport({ name, measures, doesNotMeasure, columns, rows, aims, settings, run }: Report): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((column) => cell(row, column)))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const table = cells.map((line) => `  ${line.map((text, index) => text.padStart(widths[index] ?? 0)).join("   ")}`);
  return [
    "",
    `${name}: ${measures}`,
    ...table,
    ...aims.map((aim) => `  ${aim.reached ? "reached" : "MISSED "}  ${aim.aim}: ${shown(aim.measured, 2)}`),
    `  settings: ${Object.entries({ ...settings, ...run })
      .map(([key, value]) => `${key} ${value}`)
      .join(", ")}`,
    `  not measured: ${doesNotMeasure}`,
  ].join("\n");
}

/** The value of a row in a column, as it is shown. */
export function cell(row: Row, { key, digits = 0, unit = "" }: Column): string {
  const value = row[key] ?? null;
  if (value === null) return "–";
  return typeof value === "number" ? `${shown(value, digits)}${unit}` : value;
}

/** A number for people: thousands separated, at most so many digits after the point. */
export function shown(value: number, digits = 0): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** `1 caller`, `64 callers`. */
export function counted(count: number, noun: string): string {
  return `${shown(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** How much faster, for people. */
export function times(ratio: number): string {
  return `${shown(ratio, ratio < 10 ? 1 : 0)} ×`;
}

/** A rate for people, in three digits at most. */
export function perSecond(rate: number): string {
  return `${shown(Number(rate.toPrecision(3)), 1)}/s`;
}
