/**
 * Judges what a cluster has done, object by object: what callers heard, against each other and against what the
 * database holds, read past all nodes. What it finds is a text that shows the smallest part of the history that
 * cannot be.
 */

import { tallyOf, type FiredAlarm } from "../fixtures/cluster-objects.ts";
import type { ClusterAudit } from "./cluster-audit.ts";
import type { AskedInput, AskedOperation, ObjectHistory } from "./cluster-history.ts";
import { listProblem, type ListOperation } from "./cluster-list-order.ts";
import {
  counterModel,
  judge,
  registerModel,
  type HeardOperation,
  type SequentialModel,
  type Verdict,
} from "./linearizable.ts";

/** Whether an alarm was heard to start. */
export type HasFired = (id: string, entry: string) => boolean;

/** What is wrong with an object, or null. To be asked when nothing of it is open, or nobody will answer any more. */
export async function objectProblem(
  object: ObjectHistory,
  audit: ClusterAudit,
  hasFired: HasFired,
): Promise<string | null> {
  const { type, id } = object;
  const problem = await audit.problem(type, id);
  if (problem !== null) return problem;
  const heard = await answersProblem(object, audit, hasFired);
  return heard === null ? null : `${type}/${id}: ${heard}`;
}

async function answersProblem(object: ObjectHistory, audit: ClusterAudit, hasFired: HasFired): Promise<string | null> {
  const { type, id, operations } = object;
  switch (type) {
    case "counter": {
      const end = (await audit.state<{ readonly count: number }>(type, id))?.count ?? 0;
      return verdictProblem(withLast(operations, end), counterModel);
    }
    case "register": {
      const end = (await audit.state<{ readonly value: string | null }>(type, id))?.value ?? null;
      const refused = operations.flatMap(({ input, ending }) =>
        ending.outcome !== "not-applied"
          ? []
          : input.ask === "write"
            ? [input.value]
            : input.ask === "swap"
              ? [input.to]
              : [],
      );
      const [found] = await audit.found(type, id, refused);
      if (found !== undefined) return `${found} was reported as not applied, and was there`;
      return verdictProblem(withLast(operations, end), registerModel);
    }
    case "journal": {
      const { entries } = (await audit.state<{ readonly entries: readonly string[] }>(type, id)) ?? { entries: [] };
      const slow = entries.filter((entry) => entry.startsWith("slow")).length;
      const tally = (await audit.state<{ readonly count: number }>("counter", tallyOf(id)))?.count ?? 0;
      if (tally < slow) return `it has ${slow} slow entries, and its tally counted ${tally}`;
      return listProblem(operations as unknown as readonly ListOperation[], entries);
    }
    case "reminder": {
      const { fired } = (await audit.state<{ readonly fired: readonly FiredAlarm[] }>(type, id)) ?? { fired: [] };
      return alarmsProblem(object, fired, hasFired);
    }
  }
}

/** Whether every alarm of a reminder that was acknowledged has had its effect. */
export async function isRung({ type, id, operations }: ObjectHistory, audit: ClusterAudit): Promise<boolean> {
  const { fired } = (await audit.state<{ readonly fired: readonly FiredAlarm[] }>(type, id)) ?? { fired: [] };
  const entries = new Set(fired.map(({ entry }) => entry));
  return operations.every(
    ({ input, ending }) => input.ask !== "remind" || ending.outcome !== "ok" || entries.has(input.entry),
  );
}

function alarmsProblem(object: ObjectHistory, fired: readonly FiredAlarm[], hasFired: HasFired): string | null {
  for (const { input, ending } of object.operations) {
    if (input.ask !== "remind") continue;
    const { entry, notBeforeMs } = input;
    const effects = fired.filter((alarm) => alarm.entry === entry);
    const [effect] = effects;
    if (effects.length > 1) return `the alarm ${entry} took effect ${effects.length} times`;
    if (effect !== undefined && effect.firedMs < notBeforeMs) {
      return `the alarm ${entry} fired ${notBeforeMs - effect.firedMs} ms early`;
    }
    const hasStarted = effect !== undefined || hasFired(object.id, entry);
    if (ending.outcome === "not-applied" && hasStarted) return `the alarm ${entry} was reported as not set, and fired`;
    if (ending.outcome === "ok" && effect === undefined) return `the alarm ${entry} was set, and never took effect`;
  }
  return null;
}

/** With what the database holds in the end, as if somebody had read it. */
function withLast(operations: readonly AskedOperation[], output: unknown): readonly AskedOperation[] {
  const first = operations[0];
  if (first === undefined) return [];
  const heard = operations.map(({ calledMs, ending }) => (ending.outcome === "ok" ? ending.atMs : calledMs));
  const lastMs = Math.max(...heard) + 1;
  const ending = { outcome: "ok", output, atMs: lastMs } as const;
  return [...operations, { object: first.object, input: { ask: "read" }, calledMs: lastMs, ending, code: null }];
}

function verdictProblem<State, Input extends AskedInput, Output>(
  operations: readonly AskedOperation[],
  model: SequentialModel<State, Input, Output>,
): string | null {
  // The type of the object says what was asked of it.
  const history = operations as unknown as readonly HeardOperation<Input, Output>[];
  const { violations, undecided }: Verdict<Input, Output> = judge(history, model);
  if (undecided.length > 0) return `${operations.length} operations are too many to judge`;
  const [violation] = violations;
  if (violation === undefined) return null;
  const { answer, possible, excerpt } = violation;
  const lines = excerpt.map((operation) => `  ${lineOf(operation)}${operation === answer ? "   <-- cannot be" : ""}`);
  return `an answer fits nothing; the state can have been ${JSON.stringify(possible.slice(0, 10))}\n${lines.join("\n")}`;
}

function lineOf({ calledMs, ending, input }: HeardOperation<unknown, unknown>): string {
  const until = ending.outcome === "ok" ? ending.atMs.toFixed(1) : "…";
  const heard = ending.outcome === "ok" ? JSON.stringify(ending.output) : ending.outcome;
  return `${calledMs.toFixed(1).padStart(10)} – ${until.padEnd(10)} ${JSON.stringify(input)} → ${heard}`;
}
