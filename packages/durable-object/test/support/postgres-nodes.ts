/** Nodes of a cluster on PostgreSQL that a test has join by itself, without an engine. They are closed when it is over. */

import { onTestFinished } from "vitest";
import type { JoinedStore, Joining } from "../../src/ports/ownership-store.ts";
import { postgres, type PostgresOptions, type PostgresPool } from "../../src/postgres/index.ts";
import { TestedNode } from "../../src/testing/ownership-store-case.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { postgresUrl } from "./postgres-place.ts";

/** What a node says of itself; what is not given is its own and plain, and its lease lasts for an hour. */
export function joining(parts: Partial<Joining> = {}): Joining {
  return {
    environment: systemEnvironment,
    node: systemEnvironment.uniqueId(),
    leaseMs: 3_600_000,
    types: ["counter"],
    endpoint: null,
    process: { host: "host-1", boot: null, pid: 4_121 },
    ...parts,
  };
}

/** Has a node join. */
export async function joined(
  options: PostgresOptions,
  parts: Partial<Joining> = {},
  database: string | PostgresPool = postgresUrl(),
): Promise<TestedNode & { readonly store: JoinedStore }> {
  const node = joining(parts);
  const store = await postgres(database, { lockTimeout: 0, ...options }).join(node);
  onTestFinished(() => store.objects.close());
  return Object.assign(new TestedNode(node, store), { store });
}
