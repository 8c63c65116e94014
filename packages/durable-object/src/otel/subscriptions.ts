/** Measuring what is no call, from the events that the library publishes. */

import { channel, tracingChannel } from "node:diagnostics_channel";
import { errorType, withError, type Measures } from "./measures.ts";
import { attributes } from "./names.ts";

// As docs/telemetry.md has them. A door does not import the engine for the shape of its messages.
interface CommitEvent {
  readonly store: string;
  readonly objects: number;
  readonly stale?: number;
  readonly durationMs?: number;
  readonly error?: unknown;
}
interface AlarmEvent {
  readonly type: string;
  readonly alarm: string;
  readonly lagMs: number;
  readonly becomes?: string;
  readonly error?: unknown;
}
interface PhaseEvent {
  readonly type: string;
  readonly from: string;
  readonly to: string;
}
interface OwnershipEvent {
  readonly change: string;
  readonly slots: readonly number[];
}

interface WarningEvent {
  readonly warning: string;
}

const inMemory = new Set(["active", "hibernated"]);
/** The store says no because this process may not write, and not because of what it wrote. */
const fenceCodes = new Set(["STORE_TAKEN_OVER", "STALE_REVISION", "LEASE_LAPSED"]);

/** Stores that the semantic conventions call by another name. */
const systemNames: Readonly<Record<string, string>> = { postgres: "postgresql" };

/** How many runtimes share each set of instruments: events are of the process, and are counted once. */
const attached = new Map<Measures, { count: number; readonly detach: () => void }>();

/** Measures from now on; what is returned ends it. */
export function subscribeMeasures(measures: Measures): () => void {
  const known = attached.get(measures) ?? { count: 0, detach: listen(measures) };
  known.count += 1;
  attached.set(measures, known);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    known.count -= 1;
    if (known.count > 0) return;
    attached.delete(measures);
    known.detach();
  };
}

function listen(measures: Measures): () => void {
  const commits = tracingChannel<unknown, CommitEvent>("durable-object:commit").asyncEnd;
  const alarms = tracingChannel<unknown, AlarmEvent>("durable-object:alarm").asyncEnd;
  const heard: [{ subscribe(listener: Listener): void; unsubscribe(listener: Listener): unknown }, Listener][] = [
    [commits, (message) => committed(measures, message as CommitEvent)],
    [alarms, (message) => fired(measures, message as AlarmEvent)],
    [channel("durable-object:activation"), (message) => moved(measures, message as PhaseEvent)],
    [channel("durable-object:ownership"), (message) => owned(measures, message as OwnershipEvent)],
    [channel("durable-object:warning"), (message) => warned(measures, message as WarningEvent)],
  ];
  for (const [source, listener] of heard) source.subscribe(listener);
  return () => {
    for (const [source, listener] of heard) source.unsubscribe(listener);
  };
}

type Listener = (message: unknown, name: string | symbol) => void;

function committed(measures: Measures, { store, objects, stale = 0, durationMs = 0, error }: CommitEvent): void {
  const series = { [attributes.storeSystem]: systemNames[store] ?? store, [attributes.operation]: "commit" };
  measures.commits.record(durationMs / 1_000, withError(series, error));
  measures.batches.record(objects, series);
  if (stale > 0) measures.fenced.add(stale, { ...series, [attributes.error]: "STALE_REVISION" });
  if (error === undefined) return;
  const code = errorType(error);
  if (fenceCodes.has(code)) measures.fenced.add(objects, { ...series, [attributes.error]: code });
}

function fired(measures: Measures, { type, alarm, lagMs, becomes = "", error }: AlarmEvent): void {
  const series = { [attributes.type]: type, [attributes.alarm]: alarm };
  measures.lags.record(Math.max(0, lagMs) / 1_000, series);
  measures.attempts.add(1, withError({ ...series, [attributes.becomes]: becomes }, error));
}

function moved(measures: Measures, { type, from, to }: PhaseEvent): void {
  for (const [phase, change] of [
    [from, -1],
    [to, 1],
  ] as const) {
    if (inMemory.has(phase)) measures.objects.add(change, { [attributes.type]: type, [attributes.phase]: phase });
  }
}

function owned(measures: Measures, { change, slots }: OwnershipEvent): void {
  if (change === "lost") measures.losses.add(1);
  if (change === "acquired" || change === "handed over")
    measures.moves.add(slots.length, { [attributes.change]: change });
}

function warned(measures: Measures, { warning }: WarningEvent): void {
  measures.warnings.add(1, { [attributes.warningName]: warning });
  // A process that has its store for itself: a node of a cluster says so on another channel.
  if (warning === "store-lost") measures.losses.add(1);
}
