/** A node of a cluster, as the benchmarks open it: in the process that measures, or in one of its own. */

import { cluster, createRuntime, type Runtime } from "../../src/index.ts";
import { nats } from "../../src/nats/index.ts";
import { peers } from "../../src/peers/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { Counter } from "./counter.ts";

/** A node. Those with the same database and schema are one cluster. */
export interface BenchNode {
  readonly name: string;
  readonly database: string;
  readonly schema: string;
  /** The NATS server; null if the nodes talk to each other directly. */
  readonly nats: string | null;
  readonly leaseMs: number;
}

/** Opens a node. */
export async function openNode({ name, database, schema, nats: servers, leaseMs }: BenchNode): Promise<Runtime> {
  const transport = servers === null ? peers() : nats({ servers, namespace: schema });
  return await createRuntime({
    objects: [Counter],
    store: postgres(database, { schema }),
    cluster: cluster({ name, lease: leaseMs, transport }),
  });
}

/** Resolves when so many nodes share all slots evenly, as one of them sees it. */
export async function balanced(runtime: Runtime, nodes: number): Promise<void> {
  const end = performance.now() + 60_000;
  for (;;) {
    const { nodes: seen, freeSlots } = runtime.cluster.status();
    const shares = seen.map(({ slots }) => slots);
    if (seen.length === nodes && freeSlots === 0 && Math.max(...shares) - Math.min(...shares) <= 1) return;
    if (performance.now() > end) throw new Error(`The slots are not shared evenly: ${shares.join(", ")}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Some ids whose objects a node owns, as another node sees it. */
export function idsAt(runtime: Runtime, isOwner: (node: string) => boolean, count: number): string[] {
  const ids: string[] = [];
  for (let index = 0; ids.length < count; index++) {
    const id = `counter-${String(index).padStart(6, "0")}`;
    if (isOwner(runtime.locate(Counter, id)?.node ?? "")) ids.push(id);
  }
  return ids;
}
