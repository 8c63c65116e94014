/** PostgreSQL stores that a test opens by itself, without a runtime. They are closed when it is over. */

import { onTestFinished } from "vitest";
import type { ObjectStore, StoreFailure } from "../../src/ports/object-store.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/index.ts";
import { NumberedStore } from "../../src/testing/object-store-case.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { postgresUrl } from "./postgres-place.ts";

/** Opens a store. */
export async function opened(store: ObjectStore, node = "tester"): Promise<NumberedStore> {
  const open = await store.open({ environment: systemEnvironment, node });
  onTestFinished(() => open.close());
  return new NumberedStore(open);
}

/** Opens a store in a schema of the run's server. It does not wait for another owner, unless told to. */
export function openedIn(schema: string, options: PostgresOptions = {}, node?: string): Promise<NumberedStore> {
  return opened(postgres(postgresUrl(), { schema, lockTimeout: 0, ...options }), node);
}

/** What something fails with. */
export async function failureOf(attempt: Promise<unknown>): Promise<StoreFailure> {
  try {
    await attempt;
  } catch (error) {
    return error as StoreFailure;
  }
  throw new Error("expected a failure");
}
