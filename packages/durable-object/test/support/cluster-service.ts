/** Whether the cluster serves: every object answers at every node. */

import { setTimeout as sleep } from "node:timers/promises";
import { within } from "./cluster-clients.ts";
import type { ObjectHistory } from "./cluster-history.ts";
import type { ClusterNode } from "./cluster-node-process.ts";
import type { ClusterProcesses } from "./cluster-processes.ts";

/** When every object had answered at every node. */
export interface Answers {
  /** How long it took, in ms. */
  readonly afterMs: number;
  /** What answered last. */
  readonly last: string;
  /** What did not answer at all, or null. */
  readonly missing: string | null;
}

const looks = { counter: "count", register: "value", journal: "length", reminder: "fired" } as const;
const deadlineMs = 1_000;

/**
 * Asks every object at every node that is up, again and again until it answers.
 *
 * @param giveUpMs - after that it is told what does not answer
 */
export async function answersEverywhere(
  processes: ClusterProcesses,
  objects: readonly Pick<ObjectHistory, "type" | "id">[],
  giveUpMs: number,
): Promise<Answers> {
  const startMs = performance.now();
  let last = "";
  let missing: string | null = null;
  const ask = async (node: ClusterNode, { type, id }: Pick<ObjectHistory, "type" | "id">): Promise<void> => {
    const call = { type, id, handler: looks[type], args: [], timeoutMs: deadlineMs };
    let heard = "no answer";
    while (node.state === "up" && performance.now() - startMs < giveUpMs) {
      const ended = await within(node.call(call), 2 * deadlineMs);
      if (ended?.outcome === "ok") {
        last = `${type}/${id} at ${node.label}, before that: ${heard}`;
        return;
      }
      heard = ended === null ? "no answer" : `${ended.code}: ${ended.message}`;
      await sleep(20);
    }
    if (node.state === "up") missing = `${type}/${id} at ${node.label}: ${heard}`;
  };
  await Promise.all(processes.open.flatMap((node) => objects.map((object) => ask(node, object))));
  return { afterMs: performance.now() - startMs, last, missing };
}
